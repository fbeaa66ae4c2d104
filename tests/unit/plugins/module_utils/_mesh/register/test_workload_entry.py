# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WorkloadEntries: one for a VM, whatever it serves; what others wrote; Services with pods."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden, KubeNotFound
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    ENDPOINT_SLICES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.workload_entry import entry_name

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import (
    VM1,
    VM2,
    batch,
    carried,
    istiod_forgets,
    istiod_registers,
    kinds,
    objects,
    one,
    plan,
    run,
    service,
)

ENTRY = "workload_entry"
OWN = {**VM1, "service_account": "web"}
WEB = {**VM1, "service_account": "web", "weight": 5, "locality": "r/z", "network": "vm-network"}


def test_an_entry_of_ours():
    store = FakeStore()
    vm = {**WEB, "labels": {"version": "v1"}}
    run(store, ENTRY, service(vm, ports=["http:9080", "grpc:9443"], selector={"app": "web"}))
    body = one(store, WORKLOAD_ENTRIES)
    assert body["metadata"]["name"] == "vm-192.168.0.81"
    assert body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "mesh.expansion"}
    assert body["spec"] == {
        "address": "192.168.0.81",
        "labels": {"app": "web", "version": "v1"},
        "ports": {"http": 9080, "grpc": 9443},
        "serviceAccount": "web",
        "network": "vm-network",
        "locality": "r/z",
        "weight": 5,
    }
    front = one(store, SERVICES)
    assert front["spec"]["selector"] == {"app": "web"}
    assert one(store, SERVICE_ACCOUNTS)["metadata"]["name"] == "web"


@pytest.mark.parametrize(
    ("address", "name"),
    [("192.168.0.81", "vm-192.168.0.81"), ("fd00::1", "vm-fd00-0000-0000-0000-0000-0000-0000-0001")],
)
def test_names_are_valid_for_both_families(address, name):
    assert entry_name(address) == name


def test_a_vm_behind_two_services_has_one_entry():
    store = FakeStore()
    run(store, ENTRY, service(VM1), service(VM1, name="stock", ports=["grpc:9443"]))
    assert one(store, WORKLOAD_ENTRIES)["spec"]["ports"] == {"http": 9080, "grpc": 9443}
    assert carried(store) == {ENTRY: {"192.168.0.81:9080"}}
    assert carried(store, "stock") == {ENTRY: {"192.168.0.81:9443"}}
    run(store, ENTRY, service(VM1), state="absent")
    assert one(store, WORKLOAD_ENTRIES)["spec"]["ports"] == {"grpc": 9443}
    assert set(objects(store, SERVICES)) == {"stock"}


def test_services_registered_in_two_runs_share_the_entry():
    store = FakeStore()
    run(store, ENTRY, service(VM1))
    run(store, ENTRY, service(VM1, name="stock", ports=["grpc:9443"]))
    assert one(store, WORKLOAD_ENTRIES)["spec"]["ports"] == {"http": 9080, "grpc": 9443}
    assert run(store, ENTRY, service(VM1)).written == []


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"selector": {"app": "web"}}, {"selector": {"app": "stock"}}, "label app 'web' and 'stock'"),
        ({"service_account": "a"}, {"service_account": "b"}, "serviceAccount 'a' and 'b'"),
        ({}, {"ports": ["http:9090"]}, "port http 9080 and 9090"),
    ],
)
def test_services_that_ask_for_different_things_are_refused(first, second, message):
    store = FakeStore()
    with pytest.raises(RegistrationError, match=f"vm-192.168.0.81: its Services ask for {message}, but a VM is one"):
        run(store, ENTRY, service(VM1, **first), service(VM1, name="stock", **second))
    assert store.objects == {}


def test_pods_and_vms_behind_one_service_of_others():
    store = FakeStore()
    spec = {"selector": {"app": "web", "tier": "x"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    before = store.put(SERVICES, "default", {"metadata": {"name": "web"}, "spec": spec})
    run(store, ENTRY, service(VM1))
    assert one(store, WORKLOAD_ENTRIES)["spec"]["labels"] == {"app": "web", "tier": "x"}
    assert objects(store, SERVICES) == {"web": before}
    run(store, ENTRY, service(VM1), state="absent")
    assert objects(store, SERVICES) == {"web": before}
    assert objects(store, WORKLOAD_ENTRIES) == {}


def test_a_service_of_others_without_selector_is_refused():
    store = FakeStore()
    store.put(SERVICES, "default", {"metadata": {"name": "web"}, "spec": {"ports": [{"name": "http", "port": 80}]}})
    with pytest.raises(RegistrationError, match=r"has no selector, so it takes in no .*backend: endpoint_slice"):
        run(store, ENTRY, service(VM1))


def test_our_service_stays_while_pods_are_behind_it():
    store = FakeStore()
    run(store, ENTRY, service(VM1))
    # The controller copies the labels of the Service.
    labels = {
        "app.kubernetes.io/managed-by": "mesh.expansion",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    pods = {"metadata": {"name": "web-x", "labels": labels}, "endpoints": [{"addresses": ["10.244.0.9"]}]}
    store.put(ENDPOINT_SLICES, "default", pods)
    planned = plan(store, ENTRY, service(VM1), state="absent")
    assert planned.last.stays == ["Service default/web stays: pods are behind it. Delete it when they have gone."]
    run(store, ENTRY, service(VM1), state="absent")
    assert kinds(store) == {"Service", "EndpointSlice"}
    del store.objects[(ENDPOINT_SLICES.plural, "default", "web-x")]
    run(store, ENTRY, service(VM1), state="absent")
    assert store.objects == {}


def test_our_service_account_stays_while_pods_run_as_it():
    store = FakeStore()
    run(store, ENTRY, service(WEB))
    store.put(PODS, "default", {"metadata": {"name": "web-x"}, "spec": {"serviceAccountName": "web"}})
    run(store, ENTRY, service(WEB), state="absent")
    assert kinds(store) == {"ServiceAccount", "Pod"}


@pytest.mark.parametrize("backend", ["endpoints", "endpoint_slice"])
@pytest.mark.parametrize("others", [[], [service({**VM2, "service_account": "web"}, name="shop")]])
def test_our_service_account_stays_when_its_vm_is_registered_otherwise(backend, others):
    store = FakeStore()
    run(store, ENTRY, service(OWN))
    run(store, backend, service(OWN), *others)
    assert "ServiceAccount" in kinds(store)
    assert run(store, backend, service(OWN), *others).written == []
    run(store, backend, service(OWN), state="absent")
    assert ("ServiceAccount" in kinds(store)) is bool(others)
    run(store, backend, service(OWN), *others, state="absent")
    assert store.objects == {}


def test_our_service_account_goes_with_a_vm_that_is_no_longer_listed():
    store = FakeStore()
    run(store, ENTRY, service(OWN, VM2))
    run(store, "endpoint_slice", service(OWN, VM2))
    other = {**VM2, "service_account": "other"}
    run(store, "endpoint_slice", service(other), purge=True)
    assert set(objects(store, SERVICE_ACCOUNTS)) == set()


def test_a_service_account_of_others_stays_and_none_is_made_on_request():
    store = FakeStore()
    store.put(SERVICE_ACCOUNTS, "default", {"metadata": {"name": "web"}})
    run(store, ENTRY, service(WEB))
    run(store, ENTRY, service(WEB), state="absent")
    assert set(objects(store, SERVICE_ACCOUNTS)) == {"web"}
    run(store, ENTRY, service({**VM2, "service_account": "other"}), accounts=False)
    assert set(objects(store, SERVICE_ACCOUNTS)) == {"web"}


def test_what_others_wrote_into_an_entry_stays():
    store = FakeStore()
    run(store, ENTRY, service(WEB))
    spec = one(store, WORKLOAD_ENTRIES)["spec"]
    spec["labels"]["team"] = "a"
    spec["ports"]["tcp-x"] = 7
    spec["weight"] = 9
    plain = {key: value for key, value in WEB.items() if key != "weight"}
    run(store, ENTRY, service(plain, ports=["http:9090"]))
    spec = one(store, WORKLOAD_ENTRIES)["spec"]
    assert spec["labels"] == {"service.mesh.expansion/web": "true", "team": "a"}
    assert spec["ports"] == {"tcp-x": 7, "http": 9090}
    assert spec["weight"] == 9
    with pytest.raises(RegistrationError, match="somebody else gave it the port tcp-x with the value 7; 8 is wanted"):
        run(store, ENTRY, service(plain, ports=["tcp-x:8"]))


def test_an_entry_that_somebody_else_wrote_for_the_address_is_left_to_them():
    store = FakeStore()
    theirs = {"metadata": {"name": "by-hand"}, "spec": {"address": "192.168.0.81", "labels": {}, "ports": {}}}
    before = store.put(WORKLOAD_ENTRIES, "default", theirs)
    found = plan(store, ENTRY, service(VM1, VM2))
    assert any("has the WorkloadEntry default/by-hand already" in text for text in found.warnings)
    run(store, ENTRY, service(VM1, VM2))
    assert set(objects(store, WORKLOAD_ENTRIES)) == {"by-hand", "vm-192.168.0.82"}
    run(store, ENTRY, service(VM1, VM2), state="absent")
    assert objects(store, WORKLOAD_ENTRIES) == {"by-hand": before}


def test_another_selector_reaches_vms_that_the_run_does_not_name():
    store = FakeStore()
    run(store, ENTRY, service(VM1, VM2))
    run(store, ENTRY, service(VM1, selector={"app": "web"}))
    assert carried(store) == {ENTRY: {"192.168.0.81:9080", "192.168.0.82:9080"}}
    # Who leaves says nothing of the selector.
    run(store, ENTRY, service(VM1), state="absent")
    assert one(store, SERVICES)["spec"]["selector"] == {"app": "web"}


def test_an_invalid_label_is_refused():
    with pytest.raises(RegistrationError, match="labels: team='a b' is not a valid label"):
        batch(ENTRY, service({**VM1, "labels": {"team": "a b"}}))


def test_without_the_definitions_of_istio_it_says_what_to_do():
    class Without(FakeKube):
        def list(self, resource, *rest, **more):
            if resource is WORKLOAD_ENTRIES:
                raise KubeNotFound("Cannot list workloadentries in namespace default: 404.")
            return super().list(resource, *rest, **more)

    with pytest.raises(RegistrationError, match=r"does not know workloadentries of networking.istio.io/v1\. Install"):
        Registrar(Without(), Wish(backend=ENTRY)).plan("default", batch(ENTRY, service(VM1)))
    # Who registers otherwise does not need them.
    assert Registrar(Without(), Wish(backend="endpoint_slice")).plan("default", batch("endpoint_slice", service(VM1)))


def test_a_right_that_is_needed_is_asked_for_and_one_that_is_not_is_not():
    class Restricted(FakeKube):
        def list(self, resource, *rest, **more):
            if resource.kind in ("WorkloadEntry", "WorkloadGroup", "Endpoints"):
                raise KubeForbidden(f"Cannot list {resource.plural}.")
            return super().list(resource, *rest, **more)

    with pytest.raises(KubeForbidden, match="Cannot list workloadentries"):
        Registrar(Restricted(), Wish(backend=ENTRY)).plan("default", batch(ENTRY, service(VM1)))
    slices = batch("endpoint_slice", service(VM1))
    assert Registrar(Restricted(), Wish(backend="endpoint_slice")).plan("default", slices).operations


def test_the_account_is_there_before_the_sidecar_and_nothing_else():
    store = FakeStore()
    assert run(store, ENTRY, service(WEB), prepare=True).written == ["create ServiceAccount default/web"]
    assert kinds(store) == {"ServiceAccount"}
    assert run(store, ENTRY, service(WEB), prepare=True).written == []
    run(store, ENTRY, service(WEB))
    assert run(store, ENTRY, service(WEB), prepare=True).written == []
    run(store, ENTRY, service(WEB), state="absent")
    assert store.objects == {}


@pytest.mark.parametrize("backend", ["endpoints", "endpoint_slice"])
def test_plain_backends_have_nothing_to_prepare(backend):
    store = FakeStore()
    assert run(store, backend, service(VM1), prepare=True).written == []
    assert store.objects == {}


def test_with_groups_all_is_prepared():
    store = FakeStore()
    run(store, "auto", service(VM1), prepare=True)
    assert kinds(store) == {"Service", "WorkloadGroup"}
    assert run(store, "auto", service(VM1)).written == []


@pytest.mark.parametrize("backend", ["endpoints", "endpoint_slice", ENTRY])
def test_whom_istiod_has_registered_is_carried_before_the_sidecar_lets_go(backend):
    store = FakeStore()
    run(store, "auto", service(VM1, VM2))
    for vm in (VM1, VM2):
        istiod_registers(store, "web", vm["address"])
    # The way to Endpoints leads over slices, as long as the Service selects.
    layer = {"endpoints": "endpoint_slice"}.get(backend, backend)
    run(store, backend, service(VM1, VM2), prepare=True)
    here = {"192.168.0.81:9080", "192.168.0.82:9080"}
    assert carried(store) == {"auto": here, layer: here}
    assert plan(store, backend, service(VM1)).last.moving == ["vm1"]
    # Their sidecars have been set up anew.
    for vm in (VM1, VM2):
        istiod_forgets(store, "web", vm["address"])
    assert carried(store) == {layer: here}
    run(store, backend, service(VM1, VM2))
    assert carried(store) == {{"endpoints": "endpoints"}.get(backend, layer): here}
    assert not objects(store, WORKLOAD_GROUPS)
    assert plan(store, backend, service(VM1, VM2)).last.moving == []


@pytest.mark.parametrize("backend", ["endpoints", "endpoint_slice", ENTRY])
def test_whom_istiod_is_to_register_stays_where_it_is_until_then(backend):
    store = FakeStore()
    run(store, backend, service(VM1, VM2))
    run(store, "auto", service(VM1, VM2), prepare=True)
    assert carried(store)[backend] == {"192.168.0.81:9080", "192.168.0.82:9080"}
    assert plan(store, "auto", service(VM1, VM2)).last.moving == ["vm1", "vm2"]
    istiod_registers(store, "web", VM1["address"])
    assert plan(store, "auto", service(VM1, VM2)).last.moving == ["vm2"]
    # A VM that is new is in nobody's way.
    assert plan(FakeStore(), "auto", service(VM1)).last.moving == []


def of_others(store: FakeStore, target: object) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": target}]
    store.put(SERVICES, "default", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}})


@pytest.mark.parametrize("backend", [ENTRY, "auto"])
def test_a_service_of_others_that_asks_for_a_port_by_name_finds_it(backend):
    """istiod takes the entry's port of the name that targetPort says, else that of the Service's port."""
    store, kind = FakeStore(), {ENTRY: WORKLOAD_ENTRIES, "auto": WORKLOAD_GROUPS}[backend]

    def ports():
        spec = one(store, kind)["spec"]
        return (spec if backend == ENTRY else spec["template"])["ports"]

    of_others(store, "web-port")
    run(store, backend, service(VM1))
    assert ports() == {"http": 9080, "web-port": 9080}
    assert not plan(store, backend, service(VM1)).operations
    of_others(store, 8080)
    run(store, backend, service(VM1))
    assert ports() == {"http": 9080}
    of_others(store, "web-port")
    run(store, backend, service(VM1))
    run(store, backend, service(VM1), state="absent")
    assert not objects(store, kind)
