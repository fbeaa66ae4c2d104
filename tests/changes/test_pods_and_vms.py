"""A service that moves from pods to a VM and back: both behind one Service of the cluster's owner, while a pod sends
requests."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.changes.mesh_site import NODES, VMS, apply, changes, kubectl, present
from tests.live import Json, Playbooks, Traffic, eventually, lab

VM = VMS[0]
URL = "http://shop.default:9080/"
CLUSTER = "outbound|9080||shop.default.svc.cluster.local"
WHERE = "where"
# Both pods answer for themselves, the VM with its page.
PODS = 2
JOINED: Json = {
    "mesh_vm_services": [{"name": "shop", "port": 9080, "protocol": "http"}],
    "mesh_vm_labels": {WHERE: "vm"},
}
ISTIO = {"apiVersion": "networking.istio.io/v1", "metadata": {"name": "shop", "namespace": "default"}}


def owner() -> list[Json]:
    """What the owner of the service has in the cluster."""
    meta = {"name": "shop", "namespace": "default"}
    container = {
        "name": "shop",
        "image": "mesh-lab/echo",
        "args": ["8080"],
        "ports": [{"containerPort": 8080}],
        "securityContext": {"runAsUser": 1000, "runAsGroup": 1000},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    }
    labels = {"app": "shop", WHERE: "pods"}
    # There is no scheduler.
    pod = {"nodeName": NODES[0].name, "serviceAccountName": "server", "terminationGracePeriodSeconds": 5}
    template = {
        "metadata": {"labels": {**labels, "sidecar.istio.io/inject": "true"}},
        "spec": {**pod, "containers": [container]},
    }
    spec = {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template}
    ports = [{"name": "http", "port": 9080, "targetPort": 8080}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": "shop"}, "ports": ports},
        },
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec},
    ]


def split(vm: int) -> list[Json]:
    """So many of a hundred requests to the VM, by the owner's own rules."""
    subsets = [{"name": name, "labels": {WHERE: name}} for name in ("pods", "vm")]
    shares = {"pods": 100 - vm, "vm": vm}
    route = [{"destination": {"host": "shop", "subset": name}, "weight": weight} for name, weight in shares.items()]
    return [
        {**ISTIO, "kind": "DestinationRule", "spec": {"host": "shop", "subsets": subsets}},
        {**ISTIO, "kind": "VirtualService", "spec": {"hosts": ["shop"], "http": [{"route": route}]}},
    ]


def shares(count: int = 60) -> Counter[str]:
    """Who answers."""
    script = (
        f"for n in $(seq {count}); do curl -s --max-time 5 {URL} | grep -m1 -o '<title>\\|\"host\"' || echo none; done"
    )
    said = lab("pod-exec", "client", "sh", "-c", script).split()
    return Counter({"<title>": "vm", '"host"': "pods"}.get(word, word) for word in said)


def only(who: str) -> Callable[[], bool]:
    return lambda: set(shares(20)) == {who}


def hosts() -> dict[str, dict[str, str]]:
    """What the client's Envoy has of each endpoint."""
    found: dict[str, dict[str, str]] = {}
    for line in lab("pod-exec", "client", "curl", "-s", "http://127.0.0.1:15000/clusters").splitlines():
        match = re.fullmatch(rf"{re.escape(CLUSTER)}::([\d.]+):\d+::(\w+)::(.*)", line)
        if match:
            found.setdefault(match[1], {})[match[2]] = match[3]
    return found


@pytest.fixture(name="_pods", scope="module", autouse=True)
def fixture_pods(books: Playbooks) -> Iterator[None]:
    apply(*owner())
    kubectl("rollout", "status", "deployment/shop", "-n", "default", "--timeout=120s")
    try:
        eventually("the pods answer", only("pods"))
        yield
    finally:
        books.run("playbooks/leave.yml", **JOINED)
        for kind in ("virtualservice", "destinationrule", "deployment", "service"):
            kubectl("delete", kind, "shop", "-n", "default", "--ignore-not-found")


def quiet(tell: Callable[[Any], None], what: str, traffic: Traffic) -> None:
    tell(f"{what}: {traffic}")
    assert traffic.sent > 50
    assert not traffic.failed


def test_a_vm_joins_the_pods_of_a_service(books: Playbooks, tell: Callable[[Any], None]) -> None:
    with Traffic(URL) as traffic:
        said = books.good("site.yml", **JOINED)
    quiet(tell, "a VM joins the pods", traffic)
    assert "FAILED" not in said
    assert set(shares()) == {"pods", "vm"}
    assert changes(books.good("site.yml", **JOINED)) == 0


def test_its_weight_and_locality_reach_the_clients(books: Playbooks, tell: Callable[[Any], None]) -> None:
    wanted = {**JOINED, "mesh_vm_weight": 18, "mesh_vm_locality": "here/there"}
    with Traffic(URL) as traffic:
        books.good("site.yml", "--tags", "registration", **wanted)
        found = eventually(
            "the weight is in the client's Envoy", lambda: hosts().get(VM.address, {}).get("weight") == "18"
        )
    assert found
    seen = hosts()[VM.address]
    assert (seen["region"], seen["zone"]) == ("here", "there")
    quiet(tell, "weight and locality", traffic)
    told = shares(100)
    tell(f"weight 18 beside two pods: {dict(told)}")
    # 90 of 100 are meant for it.
    assert told["vm"] > 70
    books.good("site.yml", "--tags", "registration", **JOINED)
    eventually("the weight is as before", lambda: hosts()[VM.address]["weight"] == "1")


def test_the_service_moves_to_the_vm_and_back(tell: Callable[[Any], None]) -> None:
    for vm, who in ((0, "pods"), (100, "vm"), (0, "pods")):
        with Traffic(URL) as traffic:
            apply(*split(vm))
            eventually(f"{vm} of 100 requests reach the VM", only(who))
            time.sleep(5)
        quiet(tell, f"{vm} of 100 requests to the VM", traffic)
    kubectl("delete", "virtualservice", "shop", "-n", "default")


def test_the_vm_leaves_and_the_service_stays(books: Playbooks, tell: Callable[[Any], None]) -> None:
    kubectl("delete", "destinationrule", "shop", "-n", "default", "--ignore-not-found")
    eventually("both answer", lambda: set(shares()) == {"pods", "vm"})
    with Traffic(URL) as traffic:
        books.good("playbooks/leave.yml", **JOINED)
    quiet(tell, "the VM leaves", traffic)
    assert only("pods")()
    assert "service/shop" in present()
