# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every backend: nothing twice, nobody lost, nothing left, nothing of others touched."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import SERVICES, WORKLOAD_ENTRIES
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import KubeRetriesExhausted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar
from ansible_collections.mesh.expansion.plugins.modules.istio_register import describe
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import (
    VM1,
    VM2,
    batch,
    carried,
    cut_after,
    istiod_forgets,
    istiod_registers,
    kinds,
    objects,
    plan,
    run,
    service,
)

BACKENDS = ("endpoints", "endpoint_slice", "workload_entry")
"""Those whose carriers the collection writes itself."""
every = pytest.mark.parametrize("backend", BACKENDS)


def held(store, backend):
    found = carried(store)
    assert set(found) <= {backend}
    return found.get(backend, set())


@every
def test_a_second_run_writes_nothing(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2, ports=["http:9080", "grpc:9443"]))
    version = store.version
    assert run(store, backend, service(VM1, VM2, ports=["http:9080", "grpc:9443"])).written == []
    assert store.version == version


@every
def test_check_mode_says_what_a_run_does(backend):
    store = FakeStore()
    report = describe([plan(store, backend, service(VM1, VM2), service(VM1, name="stock", ports=["grpc:9443"]))])
    assert store.objects == {}
    done = run(store, backend, service(VM1, VM2), service(VM1, name="stock", ports=["grpc:9443"]))
    assert done.written == report["operations"]
    assert "192.168.0.82" in report["diff"]["after"]
    assert [item["addresses"] for item in report["services"]] == [["192.168.0.81", "192.168.0.82"], ["192.168.0.81"]]


@every
def test_separate_runs_end_up_behind_one_service(backend):
    store = FakeStore()
    run(store, backend, service(VM1))
    run(store, backend, service(VM2, ports=["http:9080", "grpc:9443"]))
    assert held(store, backend) == {"192.168.0.81:9080", "192.168.0.82:9080", "192.168.0.82:9443"}
    assert [port["port"] for port in objects(store, SERVICES)["web"]["spec"]["ports"]] == [9080, 9443]
    run(store, backend, service(VM2), state="absent")
    assert [port["port"] for port in objects(store, SERVICES)["web"]["spec"]["ports"]] == [9080]


@every
def test_a_vm_changes_its_ports(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    run(store, backend, service(VM1, VM2, ports=["http:9090"]))
    assert held(store, backend) == {"192.168.0.81:9090", "192.168.0.82:9090"}
    assert [port["port"] for port in objects(store, SERVICES)["web"]["spec"]["ports"]] == [9090]


@every
def test_purge(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    run(store, backend, service(VM2))
    assert len(held(store, backend)) == 2
    run(store, backend, service(VM2), purge=True)
    assert held(store, backend) == {"192.168.0.82:9080"}


@every
def test_leaving_removes_what_was_created(backend):
    store = FakeStore()
    run(store, backend, service({**VM1, "service_account": "web"}, {**VM2, "service_account": "web"}))
    run(store, backend, service({**VM1, "service_account": "web"}), state="absent")
    assert held(store, backend) == {"192.168.0.82:9080"}
    run(store, backend, {"name": "web", "endpoints": [{**VM2, "service_account": "web"}]}, state="absent")
    assert store.objects == {}
    assert run(store, backend, service(VM2), state="absent").written == []


@every
def test_a_service_that_somebody_deleted_comes_back(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    del store.objects[(SERVICES.plural, "default", "web")]
    run(store, backend, service(VM1))
    assert held(store, backend) == {"192.168.0.81:9080", "192.168.0.82:9080"}


@every
def test_a_port_name_that_another_vm_holds_is_refused(backend):
    store = FakeStore()
    run(store, backend, service(VM1))
    with pytest.raises(RegistrationError, match="has the port http:9080, used by 192.168.0.81; http:9090 cannot"):
        run(store, backend, service(VM2, ports=["http:9090"]))


@every
@pytest.mark.parametrize("moment", range(5))
def test_a_removal_in_between_does_not_take_the_new_address_along(backend, moment):
    store = FakeStore()
    run(store, backend, service(VM1))
    writes = []

    def interfere(_action, _key):
        writes.append(1)
        if len(writes) == moment + 1:
            run(store, backend, service(VM1), state="absent")

    run(store, backend, service(VM2), before_write=interfere)
    if moment >= len(writes):
        run(store, backend, service(VM1), state="absent")
    assert held(store, backend) == {"192.168.0.82:9080"}


@every
@pytest.mark.parametrize("moment", range(4))
def test_a_registration_in_the_middle_of_a_removal_survives(backend, moment):
    store = FakeStore()
    run(store, backend, service({**VM1, "service_account": "web"}))
    writes = []

    def interfere(_action, _key):
        writes.append(1)
        if len(writes) == moment + 1:
            run(store, backend, service({**VM2, "service_account": "web"}, ports=["http:9080", "grpc:9443"]))

    run(store, backend, service({**VM1, "service_account": "web"}), state="absent", before_write=interfere)
    if len(writes) > moment:
        assert held(store, backend) == {"192.168.0.82:9080", "192.168.0.82:9443"}
        assert {p["port"] for p in objects(store, SERVICES)["web"]["spec"]["ports"]} == {9080, 9443}
        assert ("ServiceAccount" in kinds(store)) == (backend == "workload_entry")


@every
def test_two_that_write_at_once_lose_nobody(backend):
    store = FakeStore()
    rivals = [f"192.168.1.{n}" for n in range(3)]
    came = []

    def interfere(_action, _key):
        if rivals:
            came.append(rivals.pop())
            run(store, backend, service({"address": came[-1]}))

    registrar = run(store, backend, service(VM1), before_write=interfere)
    assert registrar.attempts > 1
    assert len(came) > 1
    assert held(store, backend) == {f"{address}:9080" for address in ("192.168.0.81", *came)}


@every
def test_endless_interference_ends_with_an_error(backend):
    store = FakeStore()
    run(store, backend, service(VM1))

    def interfere(_action, key):
        if key in store.objects:
            store.version += 1
            store.objects[key]["metadata"]["resourceVersion"] = str(store.version)

    with pytest.raises(KubeRetriesExhausted, match="The registration of default/web was changed by somebody"):
        run(store, backend, service(VM2), before_write=interfere)


@every
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_run_that_is_cut_at_any_write_is_completed_by_the_next(backend, state):
    for moment in range(12):
        store = FakeStore()
        services = [service({**VM1, "service_account": "web"}, VM2), service(VM1, name="stock", ports=["grpc:9443"])]
        services[1]["service_account"] = "web"
        if state == "absent":
            run(store, backend, *services)

        try:
            run(store, backend, *services, state=state, before_write=cut_after(moment))
        except KubeUnreachable:
            run(store, backend, *services, state=state)
        if state == "absent":
            assert store.objects == {}
        else:
            assert held(store, backend) == {"192.168.0.81:9080", "192.168.0.82:9080"}
            assert carried(store, "stock") == {backend: {"192.168.0.81:9443"}}


hosts = st.sampled_from([f"192.168.0.{n}" for n in range(80, 84)])
steps = st.lists(
    st.tuples(
        st.sampled_from(["present", "absent"]),
        st.sampled_from(BACKENDS),
        st.lists(hosts, min_size=1, max_size=3, unique=True),
    ),
    max_size=6,
)


@settings(max_examples=100)
@given(steps)
def test_any_sequence_leaves_exactly_the_addresses_of_a_set_and_one_backend(sequence):
    store, expected, last = FakeStore(), set(), None
    for state, backend, addresses in sequence:
        run(store, backend, service(*({"address": address} for address in addresses)), state=state)
        if state == "present":
            expected, last = expected | set(addresses), backend
        else:
            expected -= set(addresses)
        if expected:
            assert carried(store) == {last: {f"{address}:9080" for address in expected}}
        else:
            assert store.objects == {}


@pytest.mark.parametrize("old", BACKENDS)
@pytest.mark.parametrize("new", BACKENDS)
def test_a_move_never_leaves_a_vm_without_a_carrier_and_leaves_nothing_stale(old, new):
    if old == new:
        return
    store, seen, waits = FakeStore(), [], []
    run(store, old, service(VM1, VM2))

    def look(_action, _key):
        seen.append(carried(store))

    predicted = [str(operation) for operation in plan(store, new, service(VM1, VM2)).operations]
    done = run(store, new, service(VM1, VM2), before_write=look, waits=waits)
    assert done.written == predicted
    everybody = {"192.168.0.81:9080", "192.168.0.82:9080"}
    assert all(any(layer == everybody for layer in found.values()) for found in seen), seen
    assert carried(store) == {new: everybody}
    kind = {"endpoints": "Endpoints", "endpoint_slice": "EndpointSlice", "workload_entry": "WorkloadEntry"}[new]
    assert kinds(store) == {"Service", kind}
    # What was there goes only after those that send requests have had time to see the new one.
    assert waits
    assert run(store, new, service(VM1, VM2)).written == []


@pytest.mark.parametrize("old", BACKENDS)
@pytest.mark.parametrize("new", BACKENDS)
def test_a_move_takes_along_whom_the_run_does_not_name_and_can_be_cut(old, new):
    if old == new:
        return
    for moment in range(10):
        store = FakeStore()
        run(store, old, service(VM1, VM2))

        try:
            run(store, new, service(VM1), before_write=cut_after(moment))
        except KubeUnreachable:
            run(store, new, service(VM1))
        assert carried(store) == {new: {"192.168.0.81:9080", "192.168.0.82:9080"}}


def test_plain_clients_come_and_go_with_the_vm():
    store = FakeStore()
    run(store, "workload_entry", service(VM1, plain_clients=True))
    assert carried(store) == {"workload_entry": {"192.168.0.81:9080"}, "plain_clients": {"192.168.0.81:9080"}}
    run(store, "workload_entry", service(VM2, plain_clients=True))
    run(store, "workload_entry", service(VM1), state="absent")
    assert carried(store) == {"workload_entry": {"192.168.0.82:9080"}, "plain_clients": {"192.168.0.82:9080"}}
    run(store, "workload_entry", service(VM2))
    assert carried(store) == {"workload_entry": {"192.168.0.82:9080"}}
    run(store, "workload_entry", service(VM2, plain_clients=True))
    run(store, "workload_entry", service(VM2), state="absent")
    assert store.objects == {}


def test_from_slices_to_entries_with_plain_clients_kube_proxy_always_has_an_address():
    store = FakeStore()
    run(store, "endpoint_slice", service(VM1))

    def look(_action, _key):
        found = carried(store)
        assert found.get("endpoint_slice") or found.get("plain_clients")

    run(store, "workload_entry", service(VM1, plain_clients=True), before_write=look)
    assert set(carried(store)) == {"workload_entry", "plain_clients"}


def test_to_auto_the_written_entry_stays_until_istiod_has_registered_the_vm():
    store = FakeStore()
    run(store, "workload_entry", service(VM1, VM2))
    run(store, "auto", service(VM1, VM2))
    assert carried(store) == {"workload_entry": {"192.168.0.81:9080", "192.168.0.82:9080"}}
    assert plan(store, "auto", service(VM1, VM2)).last.pending == {"web": ["192.168.0.81", "192.168.0.82"]}
    istiod_registers(store, "web", "192.168.0.81")
    run(store, "auto", service(VM1, VM2))
    assert carried(store) == {"auto": {"192.168.0.81:9080"}, "workload_entry": {"192.168.0.82:9080"}}
    istiod_registers(store, "web", "192.168.0.82")
    run(store, "auto", service(VM1, VM2))
    assert carried(store) == {"auto": {"192.168.0.81:9080", "192.168.0.82:9080"}}
    assert len(objects(store, WORKLOAD_ENTRIES)) == 2
    assert plan(store, "auto", service(VM1, VM2)).operations == []


@pytest.mark.parametrize("old", ["endpoints", "endpoint_slice"])
def test_to_auto_from_addresses(old):
    store = FakeStore()
    run(store, old, service(VM1))
    run(store, "auto", service(VM1))
    assert carried(store) == {old: {"192.168.0.81:9080"}}
    istiod_registers(store, "web", "192.168.0.81")
    run(store, "auto", service(VM1))
    assert carried(store) == {"auto": {"192.168.0.81:9080"}}
    assert kinds(store) == {"Service", "WorkloadGroup", "WorkloadEntry"}


def test_rights_that_only_another_backend_needs_are_not_needed():
    store = FakeStore()

    class Restricted(FakeKube):
        def list(self, resource, namespace, label_selector=None, field_selector=None, limit=0):
            assert resource.kind in {"Service", "Endpoints"}
            return super().list(resource, namespace, label_selector, field_selector, limit)

    Registrar(Restricted(store), Wish()).apply("default", batch("endpoints", service(VM1)))
    assert carried(store) == {"endpoints": {"192.168.0.81:9080"}}


@pytest.mark.parametrize(("backend", "told"), [("endpoints", True), ("endpoint_slice", False)])
def test_that_endpoints_are_deprecated_is_for_those_who_use_them(backend, told):
    class Talking(FakeKube):
        def list(self, resource, *rest, **more):
            if resource.kind == "Endpoints" and "v1 Endpoints is deprecated" not in self.warnings:
                self.warnings.append("v1 Endpoints is deprecated")
            return super().list(resource, *rest, **more)

    client = Talking()
    Registrar(client, Wish(backend=backend)).plan("default", batch(backend, service(VM1)))
    assert bool(client.warnings) is told


@pytest.mark.parametrize("new", ["endpoints", "endpoint_slice"])
def test_a_service_stops_selecting_when_no_entry_is_left_that_it_selects(new):
    """The sidecar of a VM whose entry no Service selects answers 503 until it has all of its new configuration."""
    store, seen = FakeStore(), []
    run(store, "workload_entry", service(VM1))

    def look(_action, _key):
        selects = bool(objects(store, SERVICES)["web"]["spec"].get("selector"))
        seen.append((bool(objects(store, WORKLOAD_ENTRIES)), selects))

    run(store, new, service(VM1), before_write=look)
    assert (True, False) not in seen
    assert (False, True) in seen
    assert carried(store) == {new: {"192.168.0.81:9080"}}


@pytest.mark.parametrize("new", ["endpoints", "endpoint_slice"])
def test_a_service_goes_on_selecting_what_istiod_has_registered(new):
    store = FakeStore()
    run(store, "auto", service(VM1))
    istiod_registers(store, "web", "192.168.0.81")
    found = plan(store, new, service(VM1))
    assert any(
        "Service default/web keeps its selector: istiod has registered 192.168.0.81" in w for w in found.last.stays
    )
    run(store, new, service(VM1))
    assert set(carried(store)) == {"endpoint_slice", "auto"}
    istiod_registers(store, "web", "192.168.0.81", connected=False)
    istiod_forgets(store, "web", "192.168.0.81")
    run(store, new, service(VM1))
    assert carried(store) == {new: {"192.168.0.81:9080"}}
    assert "WorkloadGroup" not in kinds(store)


@pytest.mark.parametrize("backend", ["endpoint_slice", "workload_entry", "auto"])
def test_a_vm_with_another_address_keeps_the_old_one_until_it_is_purged(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    moved = {**VM1, "address": "192.168.0.91"}
    found = plan(store, backend, service(moved, VM2))
    (warning,) = found.warnings
    assert "vm1 is behind Service default/web with 192.168.0.91, and also with 192.168.0.81" in warning
    assert found.last.addresses["web"] == ["192.168.0.81", "192.168.0.82", "192.168.0.91"]
    purged = plan(store, backend, service(moved, VM2), purge=True)
    assert purged.warnings == []
    assert purged.last.addresses["web"] == ["192.168.0.82", "192.168.0.91"]
