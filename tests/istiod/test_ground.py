"""The lab's istiod carries a mesh: pods under STRICT mutual TLS, a VM by hand, both directions.
Needs `lab/lab up istiod`, root."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from ground import (
    PAGE,
    STRICT,
    VM,
    apply,
    as_user,
    balanced,
    connections,
    curl,
    delete,
    in_pod,
    istioctl,
    joined,
    kubectl,
    objects,
    on,
    rejected,
)

from lab import config
from lab.build import istio
from lab.istio import rendered
from tests.live import eventually

SERVER = "http://server.default:8080/"
STATISTICS = "pilot-agent request GET stats"


@pytest.fixture(name="_strict", scope="module", autouse=True)
def fixture_strict() -> Iterator[None]:
    """All of the mesh under STRICT mutual TLS."""
    apply(STRICT)
    yield
    delete(STRICT)


@pytest.fixture(name="_vm", scope="module")
def fixture_vm() -> Iterator[None]:
    """The VM is in the mesh, and everything as before afterwards."""
    apply(*objects())
    try:
        with balanced(), joined():
            yield
    finally:
        delete(*objects())


def spiffe(account: str) -> str:
    return f"spiffe://{config.topology().cluster_domain}/ns/default/sa/{account}"


def test_pods_of_the_mesh_talk_by_mutual_tls() -> None:
    def answer() -> str:
        status, said = in_pod("client", *curl(SERVER))
        return said if status == 0 and said.endswith("200") else ""

    seen = json.loads(eventually("client reaches server", answer).rpartition("\n")[0])
    assert f"URI={spiffe('client')}" in seen["headers"]["x-forwarded-client-cert"]
    assert seen["uid"] == 1000


def test_a_pod_outside_of_the_mesh_is_refused() -> None:
    def refused() -> bool:
        status, said = in_pod("sleep", *curl(SERVER))
        return status == 56 and "reset" in said

    assert eventually("sleep is refused", refused)


def test_istioctl_lists_the_proxies() -> None:
    listed = istioctl("proxy-status")
    names = re.findall(r"^(client|server|istio-eastwestgateway)-\S+", listed, re.MULTILINE)
    assert sorted(set(names)) == ["client", "istio-eastwestgateway", "server"]
    assert istio.VERSION in listed


@pytest.mark.parametrize("pod", ["client", "server", "istio-eastwestgateway"])
def test_the_plain_envoy_of_a_pod_rejects_nothing(pod: str) -> None:
    namespace = rendered.NAMESPACE if pod.startswith("istio") else "default"
    found = kubectl("get", "pods", "-n", namespace, "-l", f"app={pod}", "-o", "name").split()
    statistics = kubectl("exec", "-n", namespace, found[0], "-c", "istio-proxy", "--", *STATISTICS.split())
    assert "listener_manager.lds.update_success" in statistics
    assert rejected(statistics) == {}


@pytest.mark.usefixtures("_vm")
def test_the_vm_appears_as_a_healthy_entry() -> None:
    def healthy() -> bool:
        entries = json.loads(kubectl("get", "workloadentries", "-o", "json"))["items"]
        found = [entry for entry in entries if entry["spec"].get("address") == VM.address]
        conditions = [c for entry in found for c in entry.get("status", {}).get("conditions", [])]
        return any((c["type"], c["status"]) == ("Healthy", "True") for c in conditions)

    assert eventually("healthy WorkloadEntry", healthy)


@pytest.mark.usefixtures("_vm")
def test_a_pod_of_the_mesh_reaches_the_vm() -> None:
    def answer() -> str:
        _status, said = in_pod("client", *curl(f"http://{VM.name}.default:9080/"))
        return said if said.endswith("200") else ""

    assert PAGE in eventually("client reaches the VM", answer)


@pytest.mark.usefixtures("_vm")
def test_the_vm_reaches_a_pod_through_the_vip() -> None:
    before = connections(15443)

    def answer() -> str:
        said = as_user(VM, SERVER)
        return said if said.endswith("200") else ""

    seen = json.loads(eventually("VM reaches server", answer).rpartition("\n")[0])
    assert f"URI={spiffe(VM.name)}" in seen["headers"]["x-forwarded-client-cert"]
    # The kernel adds up its counters every two seconds.
    assert eventually("the director has counted the connection", lambda: connections(15443) > before, 10)


@pytest.mark.usefixtures("_vm")
def test_the_vm_reaches_no_pod_directly() -> None:
    pods = json.loads(kubectl("get", "pods", "-l", "app=server", "-o", "json"))["items"]
    address = pods[0]["status"]["podIP"]
    # As the proxy's own account, whose traffic is not captured.
    status = on(VM, f"runuser -u istio-proxy -- curl -s -o /dev/null --max-time 3 http://{address}:8080/; echo $?")
    assert status.strip() in ("7", "28")


@pytest.mark.usefixtures("_vm")
def test_the_plain_envoy_of_the_vm_rejects_nothing() -> None:
    statistics = on(VM, STATISTICS)
    assert "listener_manager.lds.update_success" in statistics
    assert rejected(statistics) == {}
    assert VM.name in istioctl("proxy-status")
