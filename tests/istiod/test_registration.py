"""Registration by the collection in the mesh of a real istiod: every backend carries requests, a move loses none, and
pods without a sidecar reach the VM. Needs `lab/lab up istiod`, root."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.drainer import Drainer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Namespaced, Registrar
from ground import (
    PAGE,
    SITE,
    STRICT,
    VM,
    VM_NETWORK,
    apply,
    balanced,
    curl,
    delete,
    in_pod,
    joined,
    kubectl,
    objects,
    on,
)

from lab import config
from lab.pods.network import inside
from tests.live import eventually

URL = f"http://{VM.name}.default:9080/"
PROBE = {"periodSeconds": 1, "httpGet": {"path": "/", "port": 9080}}
# Requests from one pod, 20 a second, as long as the file is there.
TRAFFIC = "while test -e /tmp/go; do curl -s -o /dev/null --max-time 5 -w '%{http_code}\\n' URL; sleep 0.05; done"
Json = dict[str, Any]


def service(**more: Any) -> Json:
    vm = {"address": VM.address, "host": VM.name, "network": VM_NETWORK}
    return {
        "name": VM.name,
        "ports": ["http:9080"],
        "service_account": VM.name,
        "selector": {"app": VM.name},
        "probe": PROBE,
        "endpoints": [vm],
        **more,
    }


def register(backend: str, state: str = "present", **more: Any) -> tuple[Registrar, Namespaced]:
    """What was written, and what would be written next."""
    batch = parse_registrations([service(**more)], state == "present", backend)
    with inside(SITE.netns):
        client = connect(str(config.admin_kubeconfig()))
        first = Registrar(client, Wish(state, backend))
        first.apply("default", batch)
        return first, Registrar(client, Wish(state, backend)).plan("default", batch)


def drain(backend: str, drained: bool) -> list[str]:
    with inside(SITE.netns):
        drainer = Drainer(connect(str(config.admin_kubeconfig())), backend, [VM.address], drained)
        drainer.apply("default", drainer.plan("default"))
    return drainer.written


def drained_and_back(backend: str) -> None:
    """The VM is the only one behind its Service, so that a client hears of it is seen by what it answers."""
    assert drain(backend, True), backend
    eventually(f"{backend}: the VM gets nothing", lambda: refused("client"), 10)
    # A run in between leaves it at that.
    assert register(backend)[0].written == [], backend
    assert refused("client"), backend
    assert drain(backend, False), backend
    eventually(f"{backend}: the VM is back", lambda: answers("client"), 10)


def entries() -> list[Json]:
    found: Json = json.loads(kubectl("get", "workloadentries", "-n", "default", "-o", "json"))
    return [item for item in found["items"] if item["spec"].get("address") == VM.address]


def healthy() -> bool:
    conditions = [c for entry in entries() for c in entry.get("status", {}).get("conditions", [])]
    return any((c["type"], c["status"]) == ("Healthy", "True") for c in conditions)


def answers(pod: str) -> str:
    status, said = in_pod(pod, *curl(URL))
    return said if status == 0 and said.endswith("200") else ""


def refused(pod: str) -> bool:
    _status, said = in_pod(pod, *curl(URL))
    return not said.endswith("200")


@pytest.fixture(name="_vm", scope="module", autouse=True)
def fixture_vm() -> Iterator[None]:
    """The VM is in the mesh by the group that the collection makes."""
    exposed = [item for item in objects() if item["metadata"]["namespace"] != "default"]
    apply(*exposed)
    register("auto")
    try:
        with balanced(), joined():
            eventually("istiod has registered the VM", healthy)
            yield
        eventually("istiod has removed its entry", lambda: not entries(), 40)
        register("auto", "absent")
        left = kubectl("get", "services,endpoints,serviceaccounts,workloadgroups", "-n", "default", "-o", "name")
        assert VM.name not in left
    finally:
        delete(*exposed)


class Traffic:
    """Requests from a pod while something is done."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.codes: list[str] = []

    def __enter__(self) -> Traffic:
        in_pod(self.pod, "touch", "/tmp/go")
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        time.sleep(1)
        return self

    def _send(self) -> None:
        _status, said = in_pod(self.pod, "sh", "-c", TRAFFIC.replace("URL", URL))
        self.codes = said.split()

    def __exit__(self, *_exception: object) -> None:
        time.sleep(3)
        in_pod(self.pod, "rm", "-f", "/tmp/go")
        self._thread.join(30)


def test_istiod_registers_the_vm_and_the_next_run_has_nothing_to_do() -> None:
    assert PAGE in eventually("client reaches the VM", lambda: answers("client"))
    first, after = register("auto")
    assert first.written == []
    assert after.last.pending == {VM.name: []}
    # No sidecar, no slice: kube-proxy knows nothing of the VM.
    assert refused("sleep")


def test_a_drained_vm_is_out_until_it_is_put_back_or_its_sidecar_connects_again() -> None:
    eventually("client reaches the VM", lambda: answers("client"))
    drained_and_back("auto")
    drain("auto", True)
    eventually("the VM gets nothing", lambda: refused("client"), 10)
    on(VM, "systemctl restart istio")
    eventually("the VM is back", lambda: answers("client"), 40)


def test_plain_clients_reach_the_vm_and_the_mesh_keeps_its_mutual_tls() -> None:
    register("auto", plain_clients=True)
    try:
        assert PAGE in eventually("sleep reaches the VM", lambda: answers("sleep"))
        assert PAGE in eventually("client reaches the VM", lambda: answers("client"))
        apply(STRICT)
        try:
            eventually("STRICT refuses plain clients", lambda: refused("sleep"))
            # A slice that istiod reads would have taken the mutual TLS from the WorkloadEntry.
            for _number in range(10):
                assert PAGE in answers("client")
        finally:
            delete(STRICT)
        assert PAGE in eventually("sleep reaches the VM again", lambda: answers("sleep"))
    finally:
        register("auto")
    eventually("sleep is refused again", lambda: refused("sleep"))


# Away from WorkloadEntries the VM's own sidecar answers 503 until it has all of its new configuration (README of the
# role registration): an order that avoids it has not been found yet.
INTERRUPTED = {("workload_entry", "endpoint_slice"), ("workload_entry", "endpoints")}
AT_MOST = 5
MOVES = ["endpoint_slice", "workload_entry", "endpoints", "endpoint_slice", "endpoints", "workload_entry"]
FILES = "/var/lib/istio/envoy/cluster.env /etc/istio/config/mesh"


def without_group() -> None:
    """The VM's sidecar set up again, so that it does not have itself registered."""
    on(VM, f"for f in {FILES}; do cp -p $f $f.auto; sed -i /AUTO_REGISTER_GROUP/d $f; done; systemctl restart istio")
    eventually("istiod's entry has gone", lambda: not [item for item in entries() if group_of(item)], 40)


def with_group() -> None:
    on(VM, f"for f in {FILES}; do mv $f.auto $f; done; systemctl restart istio")
    eventually("istiod has registered the VM", healthy, 40)


def group_of(entry: Json) -> str:
    return str((entry["metadata"].get("annotations") or {}).get("istio.io/autoRegistrationGroup") or "")


def moved(old: str, backend: str, told: list[str]) -> Namespaced:
    """What is left to do after a move during which requests came."""
    with Traffic("client") as traffic:
        _first, after = register(backend)
    failed = [code for code in traffic.codes if code != "200"]
    told.append(f"{old} to {backend}: {len(traffic.codes)} requests, {len(failed)} failed {sorted(set(failed))}")
    assert len(traffic.codes) > 10
    if (old, backend) in INTERRUPTED:
        assert set(failed) <= {"503"}, told
        assert len(failed) <= AT_MOST, told
    else:
        assert failed == [], told
    return after


def test_moving_from_each_backend_to_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE in eventually("client reaches the VM", lambda: answers("client"))
    told: list[str] = []
    after = moved("auto", "workload_entry", told)
    assert [text for text in after.last.stays if "still connected" in text]
    without_group()
    eventually("client reaches the VM", lambda: answers("client"))
    register("workload_entry")
    assert not json.loads(kubectl("get", "workloadgroups", "-n", "default", "-o", "json"))["items"]
    seen = {"workload_entry"}
    drained_and_back("workload_entry")
    for old, backend in zip(["workload_entry", *MOVES], MOVES, strict=False):
        after = moved(old, backend, told)
        if backend not in seen:
            seen.add(backend)
            drained_and_back(backend)
        assert (after.operations, after.last.stays) == ([], []), [str(item) for item in after.operations]
    # The group is there; until the sidecar names it, what was written stays.
    assert moved(MOVES[-1], "auto", told).last.pending == {VM.name: [VM.address]}
    with_group()
    eventually("client reaches the VM", lambda: answers("client"))
    assert moved(MOVES[-1], "auto", told).last.pending == {VM.name: []}
    with capsys.disabled():
        print("", *told, sep="\n")
    # Only the entry that istiod wrote is left.
    assert [group_of(item) for item in entries()] == [VM.name]


def test_a_weight_and_a_locality_reach_the_entry() -> None:
    vm = {"address": VM.address, "host": VM.name, "network": VM_NETWORK, "weight": 3, "locality": "r/z/s"}
    register("workload_entry", endpoints=[vm])
    try:
        (ours,) = [item for item in entries() if item["metadata"]["name"].startswith("vm-")]
        assert (ours["spec"]["weight"], ours["spec"]["locality"]) == (3, "r/z/s")
        assert PAGE in eventually("client reaches the VM", lambda: answers("client"))
    finally:
        register("auto")
