# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs taken out of the endpoints and put back, in the objects of every backend."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    SERVICES,
    WORKLOAD_ENTRIES,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.drain import Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.drainer import Drainer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from ansible_collections.mesh.expansion.plugins.modules.istio_drain import describe, refuse_last

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import VM1, VM2, istiod_registers, objects, one, plan, run, service

Json = dict[str, Any]
WRITTEN = ["endpoints", "endpoint_slice", "workload_entry"]
ADDRESS = VM1["address"]
CHECKED = "proxy.istio.io/health-checks-enabled"


def drain(store: FakeStore, backend: str, *addresses: str, drained: bool = True, kube: Any = None) -> Outcome:
    drainer = Drainer(kube or FakeKube(store), backend, addresses or (ADDRESS,), drained, sleep=lambda _seconds: None)
    found = drainer.plan("default")
    drainer.apply("default", found)
    return found


def ready(store: FakeStore) -> set[str]:
    """The addresses that clients send to, read without any code of the product."""
    found = set()
    for body in objects(store, ENDPOINTS).values():
        found |= {address["ip"] for subset in body["subsets"] for address in subset.get("addresses") or []}
    for body in objects(store, ENDPOINT_SLICES).values():
        found |= {a for item in body["endpoints"] for a in item["addresses"] if item["conditions"]["ready"]}
    for body in objects(store, WORKLOAD_ENTRIES).values():
        conditions = {c["type"]: c["status"] for c in (body.get("status") or {}).get("conditions") or []}
        checked = (body["metadata"].get("annotations") or {}).get(CHECKED) == "true"
        if not checked or conditions.get("Healthy") == "True":
            found.add(body["spec"]["address"])
    return found


def registered_by_istiod() -> FakeStore:
    store = FakeStore()
    run(store, "auto", service({**VM1, "group": "one"}, {**VM2, "group": "two"}))
    for group, vm in (("one", VM1), ("two", VM2)):
        istiod_registers(store, group, vm["address"])
        entry = objects(store, WORKLOAD_ENTRIES)[f"{group}-{vm['address']}"]
        entry["metadata"]["annotations"][CHECKED] = "true"
        healthy = {"type": "Healthy", "status": "True", "lastProbeTime": "2026-11-27T00:00:00Z"}
        store.put(WORKLOAD_ENTRIES, "default", {**entry, "status": {"conditions": [healthy]}})
    return store


@pytest.mark.parametrize("backend", WRITTEN)
def test_what_we_wrote_is_drained_and_comes_back_as_it_was(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    before = {key: {**body, "metadata": {**body["metadata"], "resourceVersion": ""}} for key, body in _all(store)}
    assert drain(store, backend).services == {ADDRESS: ["default/web"]}
    assert ready(store) == {VM2["address"]}
    assert drain(store, backend).operations == []
    drain(store, backend, drained=False)
    assert ready(store) == {ADDRESS, VM2["address"]}
    after = {key: {**body, "metadata": {**body["metadata"], "resourceVersion": ""}} for key, body in _all(store)}
    assert after == before


def _all(store: FakeStore) -> list[Any]:
    return sorted(store.objects.items())


@pytest.mark.parametrize("backend", WRITTEN)
def test_a_later_registration_leaves_it_drained(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    drain(store, backend)
    assert plan(store, backend, service(VM1, VM2)).operations == []
    third = {"address": "192.168.0.83", "host": "vm3"}
    run(store, backend, service(VM1, VM2, third))
    assert ready(store) == {VM2["address"], third["address"]}


@pytest.mark.parametrize("backend", WRITTEN)
def test_a_drained_vm_can_leave(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1))
    drain(store, backend)
    run(store, backend, service(VM1), state="absent")
    assert objects(store, SERVICES) == {}
    assert ready(store) == set()


def test_an_entry_of_istiods_becomes_unhealthy_and_healthy_again() -> None:
    store = registered_by_istiod()
    found = drain(store, "auto")
    assert [str(item) for item in found.operations] == [f"update status of WorkloadEntry default/one-{ADDRESS}"]
    assert ready(store) == {VM2["address"]}
    (condition,) = objects(store, WORKLOAD_ENTRIES)[f"one-{ADDRESS}"]["status"]["conditions"]
    assert condition["reason"] == "Drained"
    assert drain(store, "auto").operations == []
    drain(store, "auto", drained=False)
    assert ready(store) == {ADDRESS, VM2["address"]}


def test_what_the_sidecar_said_in_the_meantime_stands() -> None:
    store = registered_by_istiod()
    drain(store, "auto")
    entry = objects(store, WORKLOAD_ENTRIES)[f"one-{ADDRESS}"]
    ill = {"type": "Healthy", "status": "False", "message": "connection refused"}
    store.put(WORKLOAD_ENTRIES, "default", {**entry, "status": {"conditions": [ill]}})
    assert drain(store, "auto", drained=False).operations == []
    assert ready(store) == {VM2["address"]}


def test_plain_clients_lose_it_too() -> None:
    store = FakeStore()
    run(store, "workload_entry", service(VM1, VM2, plain_clients=True))
    kinds = {item.kind for item in drain(store, "workload_entry").operations}
    assert kinds == {"WorkloadEntry", "EndpointSlice"}
    assert ready(store) == {VM2["address"]}


@pytest.mark.parametrize("backend", WRITTEN)
def test_the_last_one_of_a_service_is_named(backend: str) -> None:
    store = FakeStore()
    run(store, backend, service(VM1, VM2), service(VM1, name="shop"))
    found = drain(store, backend)
    assert found.last == ["default/shop"]
    with pytest.raises(RegistrationError, match=f"Nobody but {ADDRESS} takes requests for default/shop"):
        refuse_last([found], [ADDRESS])
    # Web has nobody left then, and who is drained already takes none.
    assert drain(store, backend, VM2["address"]).last == ["default/web"]
    assert drain(store, backend, drained=False).last == []


def test_pods_take_the_requests_of_a_service_that_selects_them_too() -> None:
    store = FakeStore()
    run(store, "workload_entry", service(VM1))
    pods = {
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"addresses": ["10.244.1.7"], "conditions": {"ready": True}}],
    }
    store.put(ENDPOINT_SLICES, "default", pods)
    assert drain(store, "workload_entry").last == []
    # It is not ours.
    assert drain(store, "workload_entry", "10.244.1.7").operations == []


def test_two_at_once_may_be_all() -> None:
    store = registered_by_istiod()
    assert drain(store, "auto", ADDRESS, VM2["address"]).last == ["default/web"]


def test_somebody_elses_write_is_met_with_another_attempt() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    writes = []

    def meddle(action: str, _key: Any) -> None:
        writes.append(action)
        if len(writes) == 1:
            store.put(ENDPOINTS, "default", one(store, ENDPOINTS))

    drain(store, "endpoints", kube=FakeKube(store, meddle))
    assert writes == ["update", "update"]
    assert ready(store) == {VM2["address"]}


class Forbidding(FakeKube):
    def list(self, resource: Any, *arguments: Any, **more: Any) -> list[Json]:
        if resource is WORKLOAD_ENTRIES:
            raise KubeForbidden("may not list workloadentries")
        return super().list(resource, *arguments, **more)


def test_what_the_backend_needs_must_be_readable() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    assert drain(store, "endpoints", kube=Forbidding(store)).operations
    with pytest.raises(KubeForbidden):
        drain(store, "auto", kube=Forbidding(store))


def test_a_result_names_objects_and_services() -> None:
    store = FakeStore()
    run(store, "endpoints", service(VM1, VM2))
    told = describe({"default": drain(store, "endpoints")}, True)
    assert told["operations"] == ["update Endpoints default/web"]
    assert told["diff"] == {
        "before": "Endpoints default/web: takes requests\n",
        "after": "Endpoints default/web: drained\n",
    }
    assert told["services"] == {ADDRESS: ["default/web"]}
    assert told["changed"]
