# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EndpointSlices: their form, one for each set of ports, what others put into them, those that istiod leaves out."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import ENDPOINT_SLICES, SERVICES
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.endpoint_slice import (
    MOST,
    members,
    of_service,
    plan_slices,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.fake_kube import FakeStore
from tests.unit.plugins.registrations import VM1, VM2, batch, carried, objects, one, run, service

SLICE = "endpoint_slice"


def test_a_slice_of_ours():
    store = FakeStore()
    run(store, SLICE, service(VM1, ports=["http:9080", "grpc-stock:9443"]))
    body = one(store, ENDPOINT_SLICES)
    assert body["metadata"]["name"].startswith("web-vms-ipv4-")
    assert body["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "mesh.expansion",
        "endpointslice.kubernetes.io/managed-by": "mesh.expansion",
        "kubernetes.io/service-name": "web",
    }
    assert body["addressType"] == "IPv4"
    assert body["endpoints"] == [{"addresses": ["192.168.0.81"], "conditions": {"ready": True}}]
    assert body["ports"] == [
        {"name": "http", "port": 9080, "protocol": "TCP"},
        {"name": "grpc-stock", "port": 9443, "protocol": "TCP"},
    ]
    front = one(store, SERVICES)
    assert "selector" not in front["spec"]
    assert front["metadata"]["annotations"]["mesh.expansion/registration"].startswith("endpoint_slice ")


def test_plain_clients_get_a_slice_that_istiod_leaves_out():
    store = FakeStore()
    run(store, "workload_entry", service(VM1, plain_clients=True))
    assert one(store, ENDPOINT_SLICES)["metadata"]["labels"]["multicluster.kubernetes.io/service-name"] == "web"
    # One that it reads would take the mutual TLS from the WorkloadEntry of the same address.
    assert set(carried(store)) == {"workload_entry", "plain_clients"}


def test_one_slice_for_each_family_and_set_of_ports():
    store = FakeStore()
    run(store, SLICE, service(VM1, {"address": "fd00::1"}, {**VM2, "ports": ["http:9080", "grpc:9443"]}))
    found = {
        (body["addressType"], tuple(port["port"] for port in body["ports"])): body["endpoints"][0]["addresses"]
        for body in objects(store, ENDPOINT_SLICES).values()
    }
    assert found == {
        ("IPv4", (9080,)): ["192.168.0.81"],
        ("IPv6", (9080,)): ["fd00::1"],
        ("IPv4", (9080, 9443)): ["192.168.0.82"],
    }


def test_a_vm_with_other_ports_is_in_the_new_slice_before_it_leaves_the_old_one():
    store, seen = FakeStore(), []
    run(store, SLICE, service(VM1, VM2))
    more = {**VM1, "ports": ["http:9080", "grpc:9443"]}

    def look(_action, _key):
        seen.append({item.split(":")[0] for item in carried(store)[SLICE]})

    run(store, SLICE, service(more, VM2), before_write=look)
    assert all(found == {"192.168.0.81", "192.168.0.82"} for found in seen)
    assert carried(store) == {SLICE: {"192.168.0.81:9080", "192.168.0.81:9443", "192.168.0.82:9080"}}
    assert len(objects(store, ENDPOINT_SLICES)) == 2


def test_what_others_put_into_a_slice_stays():
    store = FakeStore()
    run(store, SLICE, service(VM1))
    body = one(store, ENDPOINT_SLICES)
    body["endpoints"][0]["zone"] = "a"
    body["endpoints"].append({"addresses": ["10.0.0.1"], "conditions": {"ready": False}})
    body["ports"].append({"name": "tcp-x", "port": 7, "protocol": "TCP"})
    body["metadata"]["labels"]["team"] = "web"
    run(store, SLICE, service(VM2))
    body = one(store, ENDPOINT_SLICES)
    assert [item["addresses"] for item in body["endpoints"]] == [["192.168.0.81"], ["10.0.0.1"], ["192.168.0.82"]]
    assert body["endpoints"][0]["zone"] == "a"
    run(store, SLICE, service(VM1, VM2), state="absent")
    body = one(store, ENDPOINT_SLICES)
    assert body["endpoints"] == [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}]
    assert (body["ports"][-1]["port"], body["metadata"]["labels"]["team"]) == (7, "web")
    assert "mesh.expansion/registered" not in body["metadata"]["annotations"]
    # The Service stays as long as somebody's address is behind it.
    assert one(store, SERVICES)


def test_slices_of_others_are_not_touched():
    store = FakeStore()
    # Kubernetes gives its own slices the labels of their Service.
    labels = {
        "app.kubernetes.io/managed-by": "mesh.expansion",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    theirs = {
        "metadata": {"name": "web-abc", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["192.168.0.81"]}],
        "ports": [{"name": "http", "port": 9080, "protocol": "TCP"}],
    }
    before = store.put(ENDPOINT_SLICES, "default", theirs)
    run(store, SLICE, service(VM1, VM2))
    run(store, SLICE, service(VM1, VM2), state="absent")
    assert objects(store, ENDPOINT_SLICES) == {"web-abc": before}


def test_a_service_of_others_is_used_by_the_names_of_its_ports():
    store = FakeStore()
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    before = store.put(SERVICES, "default", {"metadata": {"name": "web"}, "spec": spec})
    run(store, SLICE, service(VM1))
    assert carried(store) == {SLICE: {"192.168.0.81:9080"}}
    with pytest.raises(RegistrationError, match="lacks a port named grpc"):
        run(store, SLICE, service(VM1, ports=["grpc:9443"]))
    run(store, SLICE, service(VM1), state="absent")
    assert objects(store, SERVICES) == {"web": before}
    assert objects(store, ENDPOINT_SLICES) == {}


def test_a_port_that_somebody_took_out_comes_back():
    store = FakeStore()
    run(store, SLICE, service(VM1, ports=["http:9080", "grpc:9443"]))
    one(store, ENDPOINT_SLICES)["ports"].pop()
    run(store, SLICE, service(VM1, ports=["http:9080", "grpc:9443"]))
    assert carried(store) == {SLICE: {"192.168.0.81:9080", "192.168.0.81:9443"}}


def test_a_broken_record_is_reported():
    store = FakeStore()
    run(store, SLICE, service(VM1))
    one(store, ENDPOINT_SLICES)["metadata"]["annotations"]["mesh.expansion/registered"] = "[]"
    with pytest.raises(RegistrationError, match="EndpointSlice default/web-vms-.* mesh.expansion/registered cannot be"):
        run(store, SLICE, service(VM2))


@pytest.mark.parametrize("key", ["weight", "locality"])
def test_what_a_slice_cannot_hold_is_refused(key):
    value = {"weight": 5, "locality": "region/zone"}[key]
    for backend in (SLICE, "endpoints"):
        with pytest.raises(RegistrationError, match=f"has the {key} .* Use workload_entry or auto"):
            batch(backend, service({**VM1, key: value}))


counts = st.lists(st.integers(0, 3 * MOST), min_size=1, max_size=4)


@given(counts)
def test_any_number_of_vms_is_spread_over_slices_that_are_not_too_large(numbers):
    slices = {}
    for number in numbers:
        vms = [{"address": f"10.{index // 256}.{index % 256}.1"} for index in range(number)] or [VM1]
        (registration,) = batch(SLICE, service(*vms))
        new = {vm.address: vm for vm in registration.endpoints}
        for operation in plan_slices(registration, slices, new, False, new):
            slices.pop(operation.name, None)
            if operation.action != "delete":
                slices[operation.name] = json.loads(json.dumps(operation.body))
        assert members(registration, of_service(slices, "web", False)) == new
        held = [item["addresses"][0] for body in slices.values() for item in body["endpoints"]]
        assert sorted(held) == sorted(new)
        assert all(0 < len(body["endpoints"]) <= MOST for body in slices.values())
        assert plan_slices(registration, slices, new, False, new) == []
