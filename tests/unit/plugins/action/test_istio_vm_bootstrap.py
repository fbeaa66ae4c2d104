# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin through ansible-playbook: VMs are directories, the cluster is a small API server."""

from __future__ import annotations

import json
import pathlib
import stat
import typing as t

import pytest

from tests.unit.plugins import istiod_objects as istiod
from tests.unit.plugins import mesh_pki as pki
from tests.unit.plugins.ansible_site import ME, Api, Site

CONFIGMAPS = "/api/v1/namespaces/{}/configmaps/"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
GROUPS = "/apis/networking.istio.io/v1/namespaces/default/workloadgroups"
FILES = {
    "var/lib/istio/envoy/cluster.env": 0o640,
    "etc/istio/config/mesh": 0o640,
    "etc/hosts": 0o644,
    "etc/certs/root-cert.pem": 0o644,
    "var/run/secrets/tokens/istio-token": 0o600,
}
TOKEN = "var/run/secrets/tokens/istio-token"


class Cluster(Api):
    """Has an istiod and a WorkloadGroup, and gives out tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: list[str] = []
        self.post = self.give
        system = CONFIGMAPS.format("istio-system")
        self.objects[system + "istio"] = istiod.configmap("istio", mesh=istiod.MESH)
        self.objects[system + "istio-sidecar-injector"] = istiod.configmap("i", values=istiod.values())
        self.root(pki.authority())
        self.objects[f"{GROUPS}/web"] = istiod.group_object(template={"ports": {"http": 9080}})
        self.objects[ACCOUNT] = {"metadata": {"name": "default", "uid": istiod.UID}}

    def root(self, *authorities: pki.Authority) -> None:
        pem = "".join(pki.pem(one.root).decode() for one in authorities)
        found = istiod.configmap("istio-ca-root-cert", **{"root-cert.pem": pem})
        self.objects[CONFIGMAPS.format("default") + "istio-ca-root-cert"] = found

    def give(self, path: str, body: t.Any) -> tuple[int, t.Any]:
        if path.endswith("selfsubjectaccessreviews"):
            return 201, {"status": {"allowed": False}}
        seconds = body["spec"]["expirationSeconds"]
        self.tokens.append(istiod.token(seconds=seconds))
        return 201, {"status": {"token": self.tokens[-1], "expirationTimestamp": "2027-01-01T00:00:00Z"}}

    def asked(self) -> list[str]:
        return [path for path, _body in self.posts]


@pytest.fixture(name="cluster")
def _cluster() -> t.Iterator[Cluster]:
    made = Cluster()
    yield made
    made.close()


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path, cluster: Cluster) -> Site:
    options = {"workload_group": "web", "vip": istiod.VIP, "root": "{{ folder }}"}
    site = Site(tmp_path, cluster, "mesh.expansion.istio_vm_bootstrap", options)
    for number in range(3):
        (site.vm(number) / "etc").mkdir(parents=True)
        (site.vm(number) / "etc/hosts").write_text("127.0.0.1 localhost\n")
    return site


def join(site: Site, number: int, files: dict[str, bytes] | None = None) -> None:
    """What the agent does with the token."""
    for name, content in (files or pki.authority().issue()).items():
        path = site.vm(number) / "etc/certs" / name
        path.write_bytes(content)
        path.chmod(0o600)


def modes(site: Site, number: int) -> dict[str, int]:
    top = site.vm(number)
    return {str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in top.rglob("*") if path.is_file()}


def test_new_vms_get_their_files_and_nothing_leaks(cluster: Cluster, site: Site) -> None:
    done = site.run(vms=3, args=("-vvvv", "--diff"))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("changed=1") == 3
    assert cluster.asked() == [f"{ACCOUNT}/token"] * 3
    assert cluster.posts[0][1]["spec"] == {"audiences": ["istio-ca"], "expirationSeconds": 3600}
    for number in range(3):
        assert modes(site, number) == FILES
        assert (site.vm(number) / TOKEN).read_text() in cluster.tokens
        assert (site.vm(number) / TOKEN).owner() == ME
    assert "istiod.istio-system.svc # mesh.expansion" in (site.vm(0) / "etc/hosts").read_text()
    assert "2027-01-01T00:00:00Z" in done.stdout
    texts = [done.stdout, done.stderr, *site.written()]
    # The search is worth something: arguments of modules are found where they are kept.
    assert any("AnsiballZ" in text for text in texts)
    for part in {part for token in cluster.tokens for part in token.split(".")[1:]}:
        assert not any(part in text for text in texts)


def test_check_and_real_runs_agree(cluster: Cluster, site: Site) -> None:
    before = modes(site, 0)
    assert "changed=1" in site.run(args=("--check", "--diff")).stdout
    assert (modes(site, 0), cluster.posts) == (before, [])
    assert "changed=1" in site.run().stdout
    assert "changed=0" in site.run(args=("--check",)).stdout
    # The agent has not run yet, and the token is still good.
    assert "changed=0" in site.run().stdout
    assert len(cluster.tokens) == 1
    join(site, 0)
    assert "changed=0" in site.run().stdout
    assert len(cluster.tokens) == 1


def test_a_group_that_only_a_real_run_makes(cluster: Cluster, site: Site) -> None:
    cluster.objects[GROUPS] = {"items": []}
    del cluster.objects[f"{GROUPS}/web"]
    check = site.run(args=("--check", "-v"))
    assert (check.returncode, cluster.tokens, modes(site, 0)) == (0, [], {"etc/hosts": 0o644}), check.stdout
    assert "changed=1" in check.stdout
    assert "WorkloadGroup web in namespace default does not exist" in check.stdout
    assert site.run().returncode != 0


def test_a_token_of_an_account_that_was_made_anew_is_replaced(cluster: Cluster, site: Site) -> None:
    site.run()
    cluster.objects[ACCOUNT]["metadata"]["uid"] = "another"
    done = site.run()
    assert "changed=1" in done.stdout
    assert "the service account is not the one that the token on the VM is of" in done.stdout
    assert len(cluster.tokens) == 2


def test_a_vm_without_a_valid_certificate_gets_a_token(cluster: Cluster, site: Site) -> None:
    site.run(vms=2)
    join(site, 0, pki.authority().issue(start=-90, end=-1))
    join(site, 1, {**pki.authority().issue(), "key.pem": pki.authority().issue()["key.pem"]})
    for number in range(2):
        (site.vm(number) / TOKEN).unlink()
    done = site.run(vms=2)
    assert done.stdout.count("changed=1") == 2
    assert len(cluster.tokens) == 4
    # An expired one is no hindrance to the agent, a wrong one is.
    assert (site.vm(0) / "etc/certs/key.pem").exists()
    assert not (site.vm(1) / "etc/certs/key.pem").exists()
    assert not (site.vm(1) / "etc/certs/cert-chain.pem").exists()


def test_roots_come_in_steps_or_by_the_owner_s_word(cluster: Cluster, site: Site) -> None:
    site.run()
    join(site, 0)
    cluster.root(pki.authority(), pki.authority("other"))
    assert "changed=1" in site.run().stdout
    assert (site.vm(0) / "etc/certs/root-cert.pem").read_text().count("BEGIN") == 2
    cluster.root(pki.authority("other"))
    done = site.run()
    assert done.returncode == 2
    assert "set replace_root to true" in done.stdout
    assert len(cluster.tokens) == 1
    assert "changed=1" in site.run(replace_root=True).stdout
    assert len(cluster.tokens) == 2
    assert (site.vm(0) / "etc/certs/root-cert.pem").read_bytes() == pki.pem(pki.authority("other").root)
    assert not (site.vm(0) / "etc/certs/key.pem").exists()


def test_the_token_alone_leaves_the_files_to_somebody_else(cluster: Cluster, site: Site) -> None:
    done = site.run(deliver="token")
    assert "changed=1" in done.stdout
    assert modes(site, 0) == {"etc/hosts": 0o644, TOKEN: 0o600}
    assert (site.vm(0) / "etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert "ISTIO_SERVICE=web.default" in done.stdout
    assert "changed=0" in site.run(deliver="token").stdout


def test_a_look_that_is_passed_on_is_not_repeated(cluster: Cluster, site: Site) -> None:
    site.run()
    join(site, 0)
    done = site.run(args=("--check",))
    start = done.stdout.index('"actual": {')
    look, _end = json.JSONDecoder().raw_decode(done.stdout[start + len('"actual": ') :])
    for path in site.temporary.rglob("*"):
        if path.is_file():
            path.unlink()
    done = site.run(actual=look)
    assert "changed=0" in done.stdout
    assert not any("AnsiballZ" in text for text in site.written())
    done = site.run(actual={"files": {}})
    assert done.returncode == 2
    assert "actual lacks identity, token" in done.stdout


@pytest.mark.parametrize(
    ("path", "found", "words"),
    [
        (CONFIGMAPS.format("istio-system") + "istio", None, "ConfigMap istio-system/istio does not exist"),
        (CONFIGMAPS.format("istio-system") + "istio", istiod.configmap("istio", x="y"), "has no key mesh"),
        (CONFIGMAPS.format("istio-system") + "istio", istiod.configmap("istio", mesh="a: ["), "is not valid YAML"),
        (f"{GROUPS}/web", None, "the cluster has no such resource"),
        (CONFIGMAPS.format("default") + "istio-ca-root-cert", None, "istiod writes it into every namespace"),
    ],
)
def test_a_cluster_that_does_not_fit_is_refused_before_the_vm_is_looked_at(
    cluster: Cluster, site: Site, path: str, found: t.Any, words: str
) -> None:
    cluster.objects[path] = found
    done = site.run()
    assert done.returncode == 2
    assert "Cannot make the bootstrap files of default/web: " in done.stdout
    assert words in done.stdout
    assert not any("AnsiballZ" in text for text in site.written())


def test_a_token_that_is_refused_leaves_the_vm_as_it_was(cluster: Cluster, site: Site) -> None:
    before = modes(site, 0)
    for status, document, words in (
        (404, {"message": 'serviceaccounts "default" not found'}, "Create the service account first"),
        (403, {"message": "no"}, "the verb 'create' on 'serviceaccounts/token' in namespace default"),
        (201, {"status": {}}, "has none"),
    ):
        answer = (status, document)
        cluster.post = lambda path, body, answer=answer: (  # type: ignore[misc]
            answer if path.endswith("/token") else (201, {"status": {"allowed": False}})
        )
        done = site.run()
        assert done.returncode == 2
        assert words in done.stdout
        assert modes(site, 0) == before


def test_options_that_exclude_each_other_and_an_unknown_owner(cluster: Cluster, site: Site) -> None:
    done = site.run(address="192.0.2.81", external_address="203.0.113.9")
    assert "mutually exclusive" in done.stdout
    before = modes(site, 0)
    done = site.run(owner="nobody-of-that-name", args=("-vvvv",))
    assert done.returncode == 2
    assert "nobody-of-that-name" in done.stdout
    assert "install the package first" in done.stdout
    assert modes(site, 0) == before
    assert cluster.tokens[0] not in done.stdout + done.stderr
