# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action plugin through ansible-playbook: hosts over the local connection, a small API server with Secrets."""

from __future__ import annotations

import pathlib
import stat
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.files import inspect

from tests.unit.plugins import ansible_site
from tests.unit.plugins import mesh_pki as pki

PATH = "/api/v1/namespaces/default/secrets/istio."


class Api(ansible_site.Api):
    """Has Secrets."""

    def put(self, files: dict[str, bytes], service_account: str = "default") -> None:
        self.objects[PATH + service_account] = pki.secret(files, service_account)


class Site(ansible_site.Site):
    """VMs with a directory of certificates."""

    def vm(self, number: int) -> pathlib.Path:
        return super().vm(number) / "certs"

    def install(self, number: int, files: dict[str, bytes]) -> None:
        self.vm(number).mkdir(parents=True)
        for name, content in files.items():
            path = self.vm(number) / name
            path.write_bytes(content)
            path.chmod(0o600 if name == "key.pem" else 0o644)


@pytest.fixture(name="api")
def _api() -> t.Iterator[Api]:
    api = Api()
    yield api
    api.close()


@pytest.fixture(name="site")
def _site(tmp_path: pathlib.Path, api: Api) -> Site:
    return Site(tmp_path, api, "mesh.expansion.istio_vm_certs", {"path": "{{ folder }}"})


def key_lines(files: dict[str, bytes]) -> list[str]:
    return files["key.pem"].decode().splitlines()[1:-1]


def encoded_parts(files: dict[str, bytes]) -> list[str]:
    data = pki.secret(files)["data"]["key.pem"]
    return [data[start : start + 40] for start in range(80, len(data) - 80, 40)]


def test_deliver_to_many_leaks_nothing(api: Api, site: Site) -> None:
    files = pki.authority().issue()
    api.put(files)
    done = site.run(vms=4, args=("-vvvv", "--diff"))
    assert done.returncode == 0, done.stdout
    assert api.requests == [PATH + "default"] * 4
    for number in range(4):
        for name, content in files.items():
            path = site.vm(number) / name
            assert path.read_bytes() == content
            assert stat.S_IMODE(path.stat().st_mode) == (0o600 if name == "key.pem" else 0o644)
        assert sorted(item.name for item in site.vm(number).iterdir()) == ["cert-chain.pem", "key.pem", "root-cert.pem"]
    texts = [done.stdout, done.stderr, *site.written()]
    # The search is worth something: arguments of modules are found where they are kept.
    assert any("AnsiballZ" in text for text in texts)
    for part in key_lines(files) + encoded_parts(files):
        assert not any(part in text for text in texts)


def test_second_run_changes_nothing(api: Api, site: Site) -> None:
    api.put(pki.authority().issue())
    assert "changed=1" in site.run().stdout
    assert "changed=0" in site.run().stdout


def test_rotated_certificate_stays(api: Api, site: Site) -> None:
    rotated = pki.authority().issue()
    site.install(0, rotated)
    api.put(pki.authority().issue())
    done = site.run()
    assert "changed=0" in done.stdout
    assert "node_agent rotated" in done.stdout
    assert (site.vm(0) / "key.pem").read_bytes() == rotated["key.pem"]


def test_expired_certificate_and_mismatching_key_are_replaced(api: Api, site: Site) -> None:
    wanted = pki.authority().issue()
    api.put(wanted)
    site.install(0, pki.authority().issue(start=-90, end=-1))
    site.install(1, {**pki.authority().issue(), "key.pem": pki.authority().issue()["key.pem"]})
    done = site.run(vms=2)
    assert done.returncode == 0, done.stdout
    assert "expired at" in done.stdout
    assert "does not match" in done.stdout
    for number in (0, 1):
        assert (site.vm(number) / "key.pem").read_bytes() == wanted["key.pem"]


def test_a_look_that_is_passed_on_is_not_repeated(api: Api, site: Site) -> None:
    files = pki.authority().issue()
    api.put(files)
    site.install(0, files)
    look = inspect(str(site.vm(0)))
    done = site.run(actual=look)
    assert "changed=0" in done.stdout
    assert not any("AnsiballZ" in text for text in site.written())
    look["files"]["key.pem"]["exists"] = False
    assert "changed=1" in site.run(actual=look, args=("-vvvv",)).stdout
    done = site.run(actual={"files": {}})
    assert done.returncode == 2
    assert "actual lacks chain, directory, key_matches, python, root: pass the value identity" in done.stdout


def test_wrong_mode_alone_is_put_right(api: Api, site: Site) -> None:
    files = pki.authority().issue()
    api.put(files)
    site.install(0, files)
    (site.vm(0) / "key.pem").chmod(0o644)
    inode = (site.vm(0) / "key.pem").stat().st_ino
    assert "changed=1" in site.run().stdout
    found = (site.vm(0) / "key.pem").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_ino) == (0o600, inode)
    assert "changed=0" in site.run().stdout


def test_check_mode_predicts_and_writes_nothing(api: Api, site: Site) -> None:
    api.put(pki.authority().issue())
    done = site.run(args=("--check", "--diff"))
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert "spiffe://cluster.local/ns/default/sa/default" in done.stdout
    assert not site.vm(0).exists()


def test_a_bad_secret_is_refused_before_the_vm_is_touched(api: Api, site: Site) -> None:
    files = pki.authority().issue()
    other = pki.authority().issue()
    api.put({**files, "key.pem": other["key.pem"]})
    done = site.run(args=("-vvvv",))
    assert done.returncode == 2
    assert "key.pem does not match the certificate" in done.stdout
    assert not site.vm(0).exists()
    assert not any(line in done.stdout + done.stderr for line in key_lines(other))


def test_a_missing_secret_names_the_way_out(site: Site) -> None:
    done = site.run(service_account="billing")
    assert done.returncode == 2
    assert (
        "Secret istio.billing does not exist in namespace default: check that service account billing exists"
        in done.stdout
    )


def test_an_unknown_owner_is_named(api: Api, site: Site) -> None:
    files = pki.authority().issue()
    api.put(files)
    done = site.run(owner="nobody-of-that-name", args=("-vvvv",))
    assert done.returncode == 2
    assert "nobody-of-that-name" in done.stdout
    assert "install the package first" in done.stdout
    assert not any(line in done.stdout + done.stderr for line in key_lines(files))
    assert not site.vm(0).exists() or not list(site.vm(0).iterdir())
