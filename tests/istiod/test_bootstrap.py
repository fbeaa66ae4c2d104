"""istio_vm_bootstrap beside the real istioctl: the same files for the same WorkloadGroups; and a VM that joins with it.
Needs `lab/lab up istiod`, root."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from bootstrap_cases import BARE, CASES, DIFFERENCES, MESHES, Case
from cryptography import x509
from ground import VM, apply, balanced, delete, istioctl, joined, kubectl, objects, on

from lab import config, hosts, proc
from lab.istio import rendered
from tests.live import eventually

Json = dict[str, Any]
SITE = config.topology()
FILES = ("cluster.env", "mesh.yaml", "root-cert.pem", "hosts", "istio-token")
# Of a token that is not asked for.
NOTHING = {"action": "none", "attributes": False}
PLACES = {
    "cluster.env": "var/lib/istio/envoy/cluster.env",
    "mesh.yaml": "etc/istio/config/mesh",
    "root-cert.pem": "etc/certs/root-cert.pem",
    "hosts": "etc/hosts",
    "istio-token": "var/run/secrets/tokens/istio-token",
}


def configmaps() -> list[Json]:
    """What an istiod of each revision would have."""
    found = []
    for revision, mesh in MESHES.items():
        cluster = {} if revision == BARE else {"clusterName": "Kubernetes"}
        data = {"istio": {"mesh": mesh}, "istio-sidecar-injector": {"values": _values(cluster)}}
        for name, content in data.items():
            metadata = {"name": f"{name}-{revision}", "namespace": rendered.NAMESPACE}
            found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content})
    return found


def _values(cluster: Json) -> str:
    return json.dumps({"global": {"multiCluster": cluster}})


def play(where: str, tasks: list[Json], folder: Path, **variables: Any) -> Json:
    """Run tasks, and return what the last of them registered as `seen`."""
    result = folder / "result.json"
    last = {
        "ansible.builtin.copy": {"content": "{{ seen | to_json }}", "dest": str(result)},
        "delegate_to": "localhost",
    }
    quiet = {"check_mode": False, "diff": False, "vars": {"ansible_connection": "local"}}
    play = {"hosts": where, "gather_facts": False, "tasks": [*tasks, last | quiet], "vars": variables}
    book = folder / "play.yml"
    book.write_text(yaml.safe_dump([play]), encoding="utf-8")
    command = ["ansible-playbook", "-i", "inventory/lab", str(book)]
    venv = Path(config.venv_python()).parent
    proc.run(
        [str(venv / command[0]), *command[1:]], netns=SITE.netns, cwd=config.repo_root(), timeout=300,
        env={"ANSIBLE_COLLECTIONS_PATH": "build/collections"},
    )  # fmt: skip
    found: Json = json.loads(result.read_text(encoding="utf-8"))
    return found


@pytest.fixture(name="made", scope="module")
def fixture_made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each case, with what istioctl made in `theirs` and what the module made in `ours`."""
    top = tmp_path_factory.mktemp("made")
    given = [*configmaps(), *(case.group() for case in CASES)]
    apply(*given)
    try:
        for case in CASES:
            folder = top / case.name
            (folder / "ours/etc").mkdir(parents=True)
            by_istioctl(case, folder)
        by_module(top)
        yield top
    finally:
        delete(*given)


def by_istioctl(case: Case, folder: Path) -> None:
    group = folder / "group.yaml"
    group.write_text(json.dumps(case.group()), encoding="utf-8")
    said = istioctl(
        "x", "workload", "entry", "configure", "-f", str(group), "-o", str(folder / "theirs"), *case.flags()
    )
    assert "was successful" in said


def by_module(top: Path) -> None:
    options = [{**case.module(), "root": str(top / case.name / "ours")} for case in CASES]
    common = {"owner": "root", "group": "root", "kubeconfig": str(config.admin_kubeconfig())}
    tasks = [{"mesh.expansion.istio_vm_bootstrap": {**common, **one}, "register": "seen"} for one in options]
    local = {"ansible_connection": "local", "ansible_python_interpreter": config.venv_python()}
    play("localhost", tasks, top, **local)


def parsed(name: str, path: Path) -> dict[str, Any]:
    """What a file says, by names."""
    text = path.read_text(encoding="utf-8")
    if name == "cluster.env":
        return dict(word.split("=", 1) for word in shlex.split(text))
    if name == "mesh.yaml":
        return flat(yaml.safe_load(text)["defaultConfig"])
    if name == "istio-token":
        payload = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return {"aud": claims["aud"], "sub": claims["sub"], "lifetime": claims["exp"] - claims["iat"]}
    return {"text": text.split("#")[0].split() if name == "hosts" else text}


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    dot = f"{prefix}." if prefix else ""
    return {key: item for name, part in value.items() for key, item in flat(part, f"{dot}{name}").items()}


def differences(folder: Path) -> dict[str, tuple[Any, Any]]:
    found = {}
    for name in FILES:
        theirs = parsed(name, folder / "theirs" / name)
        ours = parsed(name, folder / "ours" / PLACES[name])
        for key in theirs.keys() | ours.keys():
            pair = (theirs.get(key), ours.get(key))
            if pair[0] != pair[1]:
                found[f"{name} {key}"] = pair
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_files_say_what_those_of_istioctl_say(case: Case, made: Path) -> None:
    found, used = differences(made / case.name), set()
    for name in case.wanted:
        pattern, judge = DIFFERENCES[name]
        for place in [place for place in found if re.fullmatch(pattern, place)]:
            theirs, ours = found.pop(place)
            assert judge(theirs, ours), f"{place}: {theirs!r}, {ours!r}"
            used.add(name)
    assert found == {}
    assert used == set(case.wanted)


def test_every_wanted_difference_is_seen() -> None:
    assert {name for case in CASES for name in case.wanted} == set(DIFFERENCES)


def test_files_are_private_and_none_is_empty(made: Path) -> None:
    modes = {"cluster.env": 0o640, "mesh.yaml": 0o640, "root-cert.pem": 0o644, "hosts": 0o644, "istio-token": 0o600}
    for case in CASES:
        for name, place in PLACES.items():
            found = (made / case.name / "ours" / place).stat()
            assert (stat.S_IMODE(found.st_mode), bool(found.st_size)) == (modes[name], True), (case.name, name)


def bootstrap(folder: Path, **options: Any) -> Json:
    """The module on the VM, as a play would run it."""
    wanted = {"workload_group": VM.name, "vip": SITE.vip, "address": VM.address, **options}
    task = {"mesh.expansion.istio_vm_bootstrap": {"kubeconfig": str(config.admin_kubeconfig()), **wanted}}
    return play(VM.name, [task | {"register": "seen"}], folder)


@pytest.fixture(name="vm", scope="module")
def fixture_vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    """The VM in the mesh, with the module's files; what the module said."""
    folder, said = tmp_path_factory.mktemp("vm"), {}
    apply(*objects())
    try:
        with balanced(), joined(lambda: said.update(bootstrap(folder))):
            yield said
    finally:
        delete(*objects())


def ready() -> bool:
    # The rules of the packet filter come and go with the unit, and a connection may end with them.
    ask = "curl -s -o /dev/null -w '%{http_code}' --max-time 2 http://127.0.0.1:15021/healthz/ready"
    return hosts.ssh(VM, [ask], check=False).stdout.strip() == "200"


def healthy() -> bool:
    entries = json.loads(kubectl("get", "workloadentries", "-o", "json"))["items"]
    found = [entry for entry in entries if entry["spec"].get("address") == VM.address]
    conditions = [item for entry in found for item in entry.get("status", {}).get("conditions", [])]
    return any((item["type"], item["status"]) == ("Healthy", "True") for item in conditions)


def test_a_vm_joins_with_the_module_s_files(vm: Json) -> None:
    assert (vm["changed"], vm["token"]["action"]) == (True, "request")
    assert eventually("healthy WorkloadEntry", healthy)


def test_a_vm_that_has_joined_needs_nothing(vm: Json, tmp_path: Path) -> None:
    eventually("certificate", lambda: on(VM, "ls /etc/certs").split() == ["cert-chain.pem", "key.pem", "root-cert.pem"])
    again = bootstrap(tmp_path)
    shown = json.dumps([again["reasons"], again["diff"], again["actual"]["identity"]], indent=1)
    assert (again["token"], again["outdated"], again["changed"]) == (NOTHING, [], False), shown
    assert again["certificate"]["identity"] == f"spiffe://{SITE.cluster_domain}/ns/default/sa/{VM.name}"


def test_only_the_proxy_s_account_reads_the_token(vm: Json) -> None:
    seen = on(VM, "stat -c '%U:%G %a' /var/run/secrets/tokens/istio-token /var/lib/istio/envoy/cluster.env")
    assert seen.splitlines() == ["istio-proxy:istio-proxy 600", "istio-proxy:istio-proxy 640"]


def test_a_restart_needs_no_token(vm: Json, tmp_path: Path) -> None:
    on(VM, "systemctl stop istio; rm /var/run/secrets/tokens/istio-token; systemctl start istio")
    eventually("ready", ready)
    assert bootstrap(tmp_path)["token"] == NOTHING


def certificate() -> x509.Certificate | None:
    """The one that the agent keeps on the VM."""
    found = hosts.ssh(VM, ["cat /etc/certs/cert-chain.pem"], check=False).stdout
    return x509.load_pem_x509_certificates(found.encode())[0] if found else None


def remaining() -> float:
    found = certificate()
    return (found.not_valid_after_utc - dt.datetime.now(dt.UTC)).total_seconds() if found else -1


def test_a_vm_whose_certificate_has_died_comes_back(vm: Json, tmp_path: Path) -> None:
    short = {"extra_env": {"SECRET_TTL": "60s"}, "min_validity": 0}
    said = bootstrap(tmp_path, **short)
    assert (said["token"], said["outdated"]) == (NOTHING, ["/var/lib/istio/envoy/cluster.env"])
    on(VM, "systemctl restart istio")
    eventually("a certificate of a minute", lambda: 0 < remaining() < 65)
    hosts.ssh(VM, ["systemctl stop istio; rm -f /var/run/secrets/tokens/istio-token"])
    eventually("the certificate has expired", lambda: remaining() < -1, 90)
    said = bootstrap(tmp_path, **short)
    assert (said["token"]["action"], said["removed"]) == ("request", [])
    assert "it expired at" in said["reasons"][1]
    on(VM, "systemctl start istio")
    eventually("ready", ready)
    assert remaining() > 0
