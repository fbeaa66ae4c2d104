# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a cluster with istiod, against an API server in memory and an Envoy that says what it is told."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._kube.pods import Done
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    ENDPOINT_SLICES,
    NAMESPACES,
    PEER_AUTHENTICATIONS,
    PODS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    Resource,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import cluster
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.policies import mode_of

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import VM1, VM2, objects, run, service

VIP = "192.168.0.62"
WANTED = exposure.exposed_services("istiod", vm_to_pods=True)
VMS = [{**vm, "service_account": "web", "group": "web", "probe": {"tcpSocket": {"port": 9080}}} for vm in (VM1, VM2)]
WEB = {**service(*VMS, plain_clients=True), "namespace": "default"}
OPTIONS: dict[str, Any] = {
    "control_plane": "istiod",
    "vip": VIP,
    "services": WANTED,
    "backend": "load_balancer",
    "registrations": [WEB],
    "registration_backend": "auto",
    "service_accounts": True,
    "istio_namespace": "istio-system",
    "cluster_domain": "cluster.local",
    "trust_domain": "cluster.local",
    "timeout": 5,
    "client": {"namespace": "default", "selector": "app=client", "container": None},
    "plain_client": {"namespace": "default", "selector": "app=sleep", "container": None},
    "expect": "Welcome",
}
NAME = "outbound|9080||web.default.svc.cluster.local"
PAGE = Done(0, "<title>Welcome</title>", "")
REFUSED = Done(56, "", "curl: (56) Recv failure")
STRICT = {"metadata": {"name": "default"}, "spec": {"mtls": {"mode": "STRICT"}}}


def endpoint(address: str, tls: bool = True, health: str = "HEALTHY") -> dict[str, Any]:
    metadata = {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": "istio"}}}
    return {
        "endpoint": {"address": {"socket_address": {"address": address, "port_value": 9080}}},
        "health_status": health,
        **({"metadata": metadata} if tls else {}),
    }


class Mesh:
    """What programs in pods answer: curl by the pod's name, and the Envoy of a client."""

    def __init__(self) -> None:
        self.answers = {"client-1": PAGE, "sleep-1": PAGE}
        self.endpoints = [endpoint(vm["address"]) for vm in (VM1, VM2)]
        self.accepted = ["spiffe://cluster.local/ns/default/sa/web"]
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, _namespace: str, pod: str, container: str, argv: Sequence[str]) -> Done:
        self.asked.append((pod, container, argv[0]))
        if argv[0] == "curl":
            return self.answers[pod]
        query = parse_qs(urlsplit(argv[-1]).query, keep_blank_values=True)
        assert re.match(query["name_regex"][0], NAME)
        assert "include_eds" in query
        if query["resource"] == ["dynamic_endpoint_configs"]:
            load = {"cluster_name": NAME, "endpoints": [{"lb_endpoints": self.endpoints}]}
            return Done(0, json.dumps({"configs": [{"endpoint_config": load}]}), "")
        matchers = [{"exact": name} for name in self.accepted]
        socket = {"combined_validation_context": {"default_validation_context": {"match_subject_alt_names": matchers}}}
        return Done(0, json.dumps({"configs": [{"cluster": {"name": NAME, "transport_socket_matches": [socket]}}]}), "")


class Clock:
    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.now, self.then = 0.0, then

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now == 2:
            self.then()


def registered(store: FakeStore, address: str, **status: Any) -> None:
    """What istiod makes of a VM whose sidecar asks its services."""
    spec = objects(store, WORKLOAD_GROUPS)["web"]["spec"]
    annotations = {"istio.io/autoRegistrationGroup": "web", "proxy.istio.io/health-checks-enabled": "true"}
    labels = spec["metadata"]["labels"]
    body = {
        "metadata": {"name": f"web-{address}", "annotations": annotations, "labels": labels},
        "spec": {**spec["template"], "address": address, "labels": labels},
        "status": {"conditions": [{"type": "Healthy", "status": "True", **status}]},
    }
    store.put(WORKLOAD_ENTRIES, "default", body)


def pod(name: str, sidecar: bool) -> dict[str, Any]:
    containers = [{"name": name}, *([{"name": "istio-proxy"}] if sidecar else [])]
    return {
        "metadata": {"name": f"{name}-1", "labels": {"app": name}},
        "spec": {"containers": containers},
        "status": {"phase": "Running"},
    }


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    label = {"topology.istio.io/network": "pods"}
    made.put(NAMESPACES, "", {"metadata": {"name": "istio-system", "labels": label}})
    for manifest in exposure.exposure_manifests(WANTED, VIP, "load_balancer"):
        if "gateway" in manifest["metadata"]["name"]:
            manifest["metadata"]["labels"] |= label
        made.server_side_apply("istio-system", {k: v for k, v in manifest.items() if k != "status"}, False)
        made.merge_status("istio-system", manifest["metadata"]["name"], {"status": manifest["status"]})
    run(made, "auto", WEB)
    for vm in (VM1, VM2):
        registered(made, vm["address"])
    for name, sidecar in (("client", True), ("sleep", False)):
        made.put(PODS, "default", pod(name, sidecar))
    run(made, "auto", WEB)
    return made


def look(store: FakeStore, mesh: Mesh | None = None, clock: Clock | None = None, **options: Any) -> dict[str, Any]:
    clock = clock or Clock()
    return cluster.look(FakeKube(store), {**OPTIONS, **options}, mesh or Mesh(), clock, clock.sleep)


def failed(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (said["check"], said["service"] or said["host"], "; ".join(said["problems"]))
        for said in found["checks"]
        if said["problems"]
    ]


def of(found: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [said for said in found["checks"] if said["check"] == check]


def test_all_is_well(store: FakeStore) -> None:
    before, mesh = copy.deepcopy(store.objects), Mesh()
    store.writes.clear()
    found = look(store, mesh)
    assert failed(found) == []
    assert [(said["check"], said["service"] or said["host"]) for said in found["checks"]] == [
        ("exposure", "istiod-lb"),
        ("exposure", "istio-eastwestgateway-lb"),
        *((check, host) for check in ("groups", "entry", "endpoint") for host in ("vm1", "vm2")),
        ("plain", "vm1, vm2"),
        ("peer", "vm1, vm2"),
    ]
    assert [said["unchecked"] for said in found["checks"]] == [""] * 10
    assert "192.168.0.81 http:9080 with mutual TLS" in of(found, "endpoint")[0]["good"]
    assert of(found, "peer")[0]["good"].endswith("answers Welcome, from spiffe://cluster.local/ns/default/sa/web")
    assert (store.objects, store.writes) == (before, [])
    assert {(name, container) for name, container, program in mesh.asked if program != "curl"} == {
        ("client-1", "istio-proxy")
    }


def test_what_is_not_to_be_exposed_is_not_checked(store: FakeStore) -> None:
    del store.objects["services", "istio-system", "istio-eastwestgateway-lb"]
    found = look(store, services=exposure.exposed_services("istiod"))
    assert failed(found) == []
    (gateway,) = [said for said in of(found, "exposure") if said["unchecked"]]
    assert (gateway["service"], gateway["unchecked"]) == ("istio-eastwestgateway-lb", "it is not to be exposed")


def test_a_gateway_that_names_another_network(store: FakeStore) -> None:
    store.objects["namespaces", "", "istio-system"]["metadata"]["labels"]["topology.istio.io/network"] = "other"
    (found,) = failed(look(store))
    assert found[:2] == ("exposure", "istio-eastwestgateway-lb")
    assert "metadata.labels.topology.istio.io/network is pods, should be other" in found[2]


def test_a_group_is_judged_by_the_plan(store: FakeStore) -> None:
    store.objects["workloadgroups", "default", "web"]["spec"]["probe"] = {"tcpSocket": {"port": 1}}
    found = failed(look(store))
    assert [item[:2] for item in found] == [("groups", "vm1"), ("groups", "vm2")]
    assert "WorkloadGroup default/web: spec.probe.tcpSocket.port is 1, should be 9080" in found[0][2]
    del store.objects["serviceaccounts", "default", "web"]
    assert "ServiceAccount default/web does not exist" in failed(look(store))[0][2]


@pytest.mark.parametrize("backend", ["endpoint_slice", "endpoints"])
def test_backends_without_entries_are_judged_by_the_plan_too(backend: str) -> None:
    made, mesh = FakeStore(), Mesh()
    vms = [{**vm, "service_account": "web"} for vm in (VM1, VM2)]
    web = {**service(*vms), "namespace": "default"}
    made.put(PODS, "default", pod("client", True))
    run(made, backend, web)
    mesh.endpoints = [endpoint(vm["address"], tls=False) for vm in (VM1, VM2)]
    options = {"services": [], "registrations": [web], "registration_backend": backend}
    found = look(made, mesh, **options)
    assert failed(found) == []
    assert [said["unchecked"] for said in of(found, "entry")] == [
        f"with mesh_registration {backend} a VM has no WorkloadEntry"
    ] * 2
    assert f"without mutual TLS, as mesh_registration {backend} has it" in of(found, "endpoint")[0]["unchecked"]
    for plural, name in [key[::2] for key in made.objects if key[0] in ("endpointslices", "endpoints")]:
        del made.objects[plural, "default", name]
    problems = [item for item in failed(look(made, mesh, **options)) if item[0] == "groups"]
    assert [item[1] for item in problems] == ["vm1", "vm2"]
    assert all("does not exist" in item[2] for item in problems)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"status": "False", "message": "connection refused"}, "is not healthy, so it gets no requests: connection"),
        ({"type": "Other"}, "its sidecar has not said yet that it is healthy"),
    ],
)
def test_entries_that_get_no_requests(store: FakeStore, status: dict[str, str], said: str) -> None:
    registered(store, VM1["address"], **status)
    clock = Clock()
    (found,) = failed(look(store, clock=clock))
    assert found[:2] == ("entry", "vm1")
    assert said in found[2]
    assert clock.now == 5


def test_an_entry_that_comes_while_it_is_waited_for(store: FakeStore) -> None:
    del store.objects["workloadentries", "default", "web-192.168.0.81"]
    clock = Clock(lambda: registered(store, VM1["address"]))
    assert failed(look(store, clock=clock)) == []
    assert 2 <= clock.now < 5


def test_entries_without_a_sidecar_or_a_probe(store: FakeStore) -> None:
    entry = store.objects["workloadentries", "default", "web-192.168.0.81"]
    del entry["metadata"]["annotations"]["proxy.istio.io/health-checks-enabled"]
    assert of(look(store), "entry")[0]["good"] == "web-192.168.0.81, without a probe"
    entry["metadata"]["annotations"]["istio.io/disconnectedAt"] = "2026-11-27"
    assert "has not been connected since 2026-11-27" in failed(look(store))[0][2]
    del store.objects["workloadentries", "default", "web-192.168.0.81"]
    texts = [text for check, host, text in failed(look(store)) if (check, host) == ("entry", "vm1")]
    assert re.search("^no WorkloadEntry has the address 192.168.0.81; istiod writes it when", texts[0])


@pytest.mark.parametrize(
    ("endpoints", "said"),
    [
        ([], "has no endpoint 192.168.0.81:9080 in outbound|9080||web.default.svc.cluster.local; there: none"),
        ([endpoint("192.168.0.81", tls=False)], "would send to 192.168.0.81:9080 without mutual TLS: the endpoint has"),
        ([endpoint("192.168.0.81", health="UNHEALTHY")], "takes 192.168.0.81:9080 for UNHEALTHY"),
    ],
)
def test_endpoints_of_a_client(store: FakeStore, endpoints: list[dict[str, Any]], said: str) -> None:
    mesh = Mesh()
    mesh.endpoints = [*endpoints, endpoint("192.168.0.82")]
    if not endpoints:
        mesh.endpoints = []
    found = failed(look(store, mesh))
    assert found[0][:2] == ("endpoint", "vm1")
    assert said in found[0][2]


def test_a_peer_that_anybody_could_be(store: FakeStore) -> None:
    mesh = Mesh()
    mesh.accepted = []
    (found,) = failed(look(store, mesh))
    assert found[:2] == ("peer", "vm1, vm2")
    assert (
        "does not know that spiffe://cluster.local/ns/default/sa/web may answer for Service default/web; it acc"
        in (found[2])
    )


def test_a_client_without_a_sidecar_sees_nothing_of_the_mesh(store: FakeStore) -> None:
    found = look(store, client=OPTIONS["plain_client"])
    assert failed(found) == []
    for check in ("endpoint", "peer"):
        assert "pod default/sleep-1 has no sidecar. Name a pod of the mesh" in of(found, check)[0]["unchecked"]


def test_an_envoy_that_cannot_be_asked(store: FakeStore) -> None:
    class Broken(Mesh):
        def __call__(self, namespace: str, pod: str, container: str, argv: Sequence[str]) -> Done:
            return Done(1, "", "no admin") if argv[0] != "curl" else super().__call__(namespace, pod, container, argv)

    found = failed(look(store, Broken()))
    assert [item[0] for item in found] == ["endpoint", "endpoint", "peer"]
    assert "cannot ask the Envoy of pod default/client-1" in found[0][2]
    assert found[0][2].endswith("pilot-agent ended with 1: no admin")


class TestPlainClients:
    def test_not_wanted(self, store: FakeStore) -> None:
        web = {**service(*VMS), "namespace": "default"}
        (said,) = of(look(store, registrations=[web]), "plain")
        assert said["unchecked"] == "mesh_plain_clients is not set"

    def test_no_slice(self, store: FakeStore) -> None:
        for key in [key for key in store.objects if key[0] == ENDPOINT_SLICES.plural]:
            del store.objects[key]
        (found,) = failed(look(store))
        assert found[0] == "plain"
        assert re.search("EndpointSlice default/.* does not exist", found[2])

    def test_no_answer(self, store: FakeStore) -> None:
        mesh = Mesh()
        mesh.answers["sleep-1"] = REFUSED
        (found,) = failed(look(store, mesh))
        assert found[0] == "plain"
        assert "curl ended with 56" in found[2]

    def test_refused_by_a_policy(self, store: FakeStore) -> None:
        mesh = Mesh()
        mesh.answers["sleep-1"] = REFUSED
        store.put(PEER_AUTHENTICATIONS, "istio-system", STRICT)
        found = look(store, mesh)
        assert failed(found) == []
        assert of(found, "plain")[0]["good"] == "refused by STRICT (PeerAuthentication istio-system/default)"

    def test_let_in_although_a_policy_refuses(self, store: FakeStore) -> None:
        store.put(PEER_AUTHENTICATIONS, "default", STRICT)
        (found,) = failed(look(store))
        assert found[2].endswith("answers Welcome, although PeerAuthentication default/default is STRICT")

    @pytest.mark.parametrize(
        ("client", "said"),
        [
            (None, "no pod without a sidecar is named in mesh_verify_plain_client"),
            (OPTIONS["client"], "pod default/client-1 has a sidecar. Name one without"),
            ({"namespace": "default", "selector": "app=no"}, "Name one that has curl in mesh_verify_plain_client"),
        ],
    )
    def test_without_such_a_pod(self, store: FakeStore, client: Any, said: str) -> None:
        (found,) = of(look(store, plain_client=client), "plain")
        assert said in found["unchecked"]


OWN, OTHER = {"matchLabels": {"app": "web"}}, {"matchLabels": {"app": "x"}}


def policy(name: str, namespace: str, mode: str = "", **spec: Any) -> dict[str, Any]:
    mtls = {"mtls": {"mode": mode}} if mode else {}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {**mtls, **spec}}


@pytest.mark.parametrize(
    ("policies", "mode"),
    [
        ([], "PERMISSIVE"),
        ([policy("a", "istio-system", "STRICT")], "STRICT"),
        ([policy("a", "istio-system", "STRICT"), policy("b", "web", "PERMISSIVE")], "PERMISSIVE"),
        ([policy("a", "istio-system", "STRICT"), policy("b", "web", "UNSET")], "STRICT"),
        ([policy("a", "web", "STRICT"), policy("b", "web", "DISABLE", selector=OTHER)], "STRICT"),
        ([policy("a", "web", selector=OWN, portLevelMtls={"80": {"mode": "STRICT"}})], "STRICT"),
        ([policy("a", "web", selector=OWN, portLevelMtls={"81": {"mode": "STRICT"}})], "PERMISSIVE"),
        ([policy("a", "other", "STRICT")], "PERMISSIVE"),
    ],
)
def test_which_policy_counts(policies: list[dict[str, Any]], mode: str) -> None:
    assert mode_of(policies, "istio-system", "web", {"app": "web"}, 80)[0] == mode


def test_the_service_itself_is_a_part_of_the_group(store: FakeStore) -> None:
    del store.objects[SERVICES.plural, "default", "web"]
    assert "Service default/web does not exist" in failed(look(store))[0][2]


def test_clients_ask_at_the_port_of_a_service_of_others(monkeypatch: pytest.MonkeyPatch, store: FakeStore) -> None:
    """It finds the VMs by the name of its port, and has a number of its own for it."""
    body = objects(store, SERVICES)["web"]
    for key in ("labels", "annotations"):
        body["metadata"].pop(key)
    body["spec"]["ports"] = [{"name": "http", "port": 80, "targetPort": 8080}]
    store.put(SERVICES, "default", body)
    monkeypatch.setattr(f"{__name__}.NAME", "outbound|80||web.default.svc.cluster.local")
    assert [said for said in failed(look(store)) if said[0] in ("endpoint", "plain", "peer")] == []
    said = look(store, expect="Hello")
    (problem,) = of(said, "peer")[0]["problems"]
    assert problem.startswith("http://web.default:80 answers without 'Hello'")


def test_a_service_that_cannot_be_read_hides_no_other_row(store: FakeStore) -> None:
    class Unreadable(FakeKube):
        def get(self, resource: Resource, namespace: str | None, name: str) -> dict[str, Any] | None:
            if resource is SERVICES and namespace == "default":
                raise KubeForbidden(f"Not allowed: get services {name}.")
            return super().get(resource, namespace, name)

    clock = Clock()
    assert failed(cluster.look(Unreadable(store), OPTIONS, Mesh(), clock, clock.sleep)) == []
