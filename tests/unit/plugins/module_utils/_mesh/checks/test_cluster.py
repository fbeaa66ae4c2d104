# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the cluster, against an API server in memory."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError, KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._kube.pods import Done
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    PODS,
    SERVICES,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import cluster
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.endpoints import plan_present
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.work import Editor

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

VIP = "192.168.0.62"
SERVICES_WANTED = exposure.exposed_services("reference")
REGISTRATION = {
    "name": "deb-nginx01",
    "namespace": "default",
    "ports": [{"name": "http", "port": 9080}],
    "endpoints": [{"host": "deb-nginx01", "address": "192.168.0.81"}, {"host": "web2", "address": "192.168.0.82"}],
}
OPTIONS: dict[str, Any] = {
    "control_plane": "citadel",
    "registration_backend": "endpoints",
    "timeout": 0,
    "vip": VIP,
    "services": SERVICES_WANTED,
    "backend": "external_ips",
    "registrations": [REGISTRATION],
    "istio_namespace": "istio-system",
    "cluster_domain": "cluster.local",
    "mesh": {"settings": {"disablePolicyChecks": True}, "name": "istio", "key": "mesh"},
    "deployment": "istio-pilot",
    "client": {"namespace": "default", "selector": "app=sleep", "container": None},
    "expect": "Welcome to nginx!",
}
DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "istio-pilot", "generation": 2},
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1},
}
PAGE = Done(0, "<title>Welcome to nginx!</title>", "")


class Pod:
    """Programs that run in a pod, and what they answer."""

    def __init__(self, answer: Done | KubeError = PAGE) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, namespace: str, pod: str, container: str, argv: Sequence[str]) -> Done:
        self.asked.append((namespace, pod, container, *argv))
        if isinstance(self.answer, KubeError):
            raise self.answer
        return self.answer


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    for manifest in exposure.exposure_manifests(SERVICES_WANTED, VIP):
        made.server_side_apply(manifest["metadata"]["namespace"], manifest, False)
    (registration,) = parse_registrations([REGISTRATION])
    for operation in plan_present(registration, None, None).operations:
        made.put(SERVICES if operation.kind == "Service" else ENDPOINTS, "default", operation.body)
    made.put(CONFIGMAPS, "istio-system", {"metadata": {"name": "istio"}, "data": {"mesh": "disablePolicyChecks: true"}})
    made.put(DEPLOYMENTS, "istio-system", DEPLOYMENT)
    made.put(
        PODS, "default", {"metadata": {"name": "sleep-1", "labels": {"app": "sleep"}}, "status": {"phase": "Running"}}
    )
    for name, address in (("istio-pilot", "10.233.1.2"), ("istio-citadel", "None")):
        made.put(SERVICES, "istio-system", {"metadata": {"name": name}, "spec": {"clusterIP": address}})
    return made


def look(store: FakeStore, pod: Pod | None = None, **options: Any) -> dict[str, Any]:
    return cluster.look(FakeKube(store), {**OPTIONS, **options}, pod or Pod())


def failed(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (said["check"], said["service"] or said["host"], "; ".join(said["problems"]))
        for said in found["checks"]
        if said["problems"]
    ]


def test_all_is_well(store: FakeStore) -> None:
    pod = Pod()
    before = copy.deepcopy(store.objects)
    found = look(store, pod)
    assert failed(found) == []
    assert [(said["check"], said["service"] or said["host"]) for said in found["checks"]] == [
        *(("exposure", service["name"]) for service in SERVICES_WANTED),
        ("registration", "deb-nginx01"),
        ("registration", "web2"),
        ("settings", "cluster"),
        ("request", "deb-nginx01, web2"),
    ]
    (asked,) = pod.asked
    assert asked[:4] == ("default", "sleep-1", "", "curl")
    assert asked[-1] == "http://deb-nginx01.default:9080"
    assert (store.objects, store.writes) == (before, [])


def test_exposed_services_are_judged_by_the_plan(store: FakeStore) -> None:
    names = [service["name"] for service in SERVICES_WANTED]
    key = (SERVICES.plural, SERVICES_WANTED[0]["namespace"], names[0])
    store.objects[key]["spec"]["externalIPs"] = ["10.9.9.9"]
    del store.objects[(SERVICES.plural, SERVICES_WANTED[1]["namespace"], names[1])]
    found = failed(look(store))
    assert [item[:2] for item in found] == [("exposure", names[0]), ("exposure", names[1])]
    assert "spec.externalIPs is ['10.9.9.9'], should be ['192.168.0.62']" in found[0][2]
    assert "does not exist" in found[1][2]


def test_a_service_that_nothing_wants_any_more(store: FakeStore) -> None:
    fewer = SERVICES_WANTED[1:]
    (found,) = failed(look(store, services=fewer))
    assert found[:2] == ("exposure", SERVICES_WANTED[0]["name"])
    assert "nothing wants it any more" in found[2]


def test_each_vm_is_judged_by_itself(store: FakeStore) -> None:
    (registration,) = parse_registrations([{**REGISTRATION, "endpoints": REGISTRATION["endpoints"][:1]}])
    for operation in plan_present(registration, None, None).operations:
        store.put(SERVICES if operation.kind == "Service" else ENDPOINTS, "default", operation.body)
    found = failed(look(store))
    assert [item[:2] for item in found] == [("registration", "web2")]
    assert "Endpoints default/deb-nginx01 does not hold 192.168.0.82:9080" in found[0][2]


def test_a_service_with_a_selector_is_refused(store: FakeStore) -> None:
    store.objects[(SERVICES.plural, "default", "deb-nginx01")]["spec"]["selector"] = {"app": "x"}
    found = failed(look(store))
    assert {item[1] for item in found} == {"deb-nginx01", "web2"}
    assert all("selector" in item[2] for item in found)


def test_mesh_settings_and_rollout(store: FakeStore) -> None:
    found = failed(look(store, mesh={**OPTIONS["mesh"], "settings": {"disablePolicyChecks": False}}))
    assert found == [("settings", "cluster", "mesh setting disablePolicyChecks is true, should be false")]
    found = failed(look(store, mesh={**OPTIONS["mesh"], "name": "other"}))
    assert "ConfigMap istio-system/other does not exist" in found[0][2]
    assert "Deployment istio-system/pilot2 does not exist" in failed(look(store, deployment="pilot2"))[0][2]
    store.put(DEPLOYMENTS, "istio-system", {**DEPLOYMENT, "status": {"observedGeneration": 1}})
    assert "has not finished rolling out" in failed(look(store))[0][2]


def test_a_control_plane_that_runs_with_former_settings(store: FakeStore) -> None:
    """A run that was cut between the settings and the restart."""
    document = {"metadata": {"name": "istio"}, "data": {"mesh": "disablePolicyChecks: false"}}
    store.put(CONFIGMAPS, "istio-system", document)
    asked = {**OPTIONS["mesh"], "state": "present", "absent": [], "remember": True, "deployment": None}
    Editor(FakeKube(store), {**asked, "namespace": "istio-system"}).run()
    (found,) = failed(look(store))
    said = "Deployment istio-system/istio-pilot was not restarted since the mesh settings changed"
    assert found == ("settings", "cluster", said)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Done(7, "", "curl: (7) refused"), "gives no answer, curl ended with 7: curl: (7) refused"),
        (KubeError("pods is forbidden"), "could not be asked: pods is forbidden"),
        (Done(0, "", ""), "answers without 'Welcome to nginx!': an empty page"),
        (Done(0, "UNAVAILABLE: upstream", ""), "answers without 'Welcome to nginx!': UNAVAILABLE: upstream"),
    ],
)
def test_why_a_request_failed(store: FakeStore, answer: Done | KubeError, said: str) -> None:
    (found,) = failed(look(store, Pod(answer)))
    assert found == ("request", "deb-nginx01, web2", f"http://deb-nginx01.default:9080 {said}")


def test_without_a_pod_the_request_is_not_checked(store: FakeStore) -> None:
    found = look(store, client={**OPTIONS["client"], "selector": "app=none"})
    assert failed(found) == []
    (said,) = [item for item in found["checks"] if item["check"] == "request"]
    assert "mesh_verify_client" in said["unchecked"]


def test_names_answer_the_vip_or_the_address_of_a_service_that_exists(store: FakeStore) -> None:
    names = look(store)["names"]
    assert len(names) == 13
    assert names["istio-ca.istio-system"] == VIP
    assert names["istio-pilot.istio-system.svc.cluster.local"] == "10.233.1.2"


def test_what_may_not_be_read_fails_its_row_only(store: FakeStore) -> None:
    class Client(FakeKube):
        def list(self, resource: Any, *args: Any, **options: Any) -> Any:
            if resource is PODS:
                raise KubeError("pods may not be listed")
            return super().list(resource, *args, **options)

    found = cluster.look(Client(store), OPTIONS, Pod())
    assert failed(found) == [("request", "deb-nginx01, web2", "pods may not be listed")]


def test_an_api_server_that_does_not_answer_ends_the_look(store: FakeStore) -> None:
    class Dead(FakeKube):
        def get(self, *_args: Any) -> Any:
            raise KubeUnreachable("the API does not answer")

    with pytest.raises(KubeUnreachable):
        cluster.look(Dead(store), OPTIONS, Pod())
