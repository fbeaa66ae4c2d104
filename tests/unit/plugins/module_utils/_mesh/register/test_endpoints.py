# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations: parsing, planning, and carrying out against a fake API with interference."""

from __future__ import annotations

import json

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import ENDPOINTS, SERVICES
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import KubeRetriesExhausted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.endpoints import plan_absent, plan_present
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    PROTOCOLS,
    RegistrationError,
    duplicate_address_warnings,
    parse_port,
    parse_registrations,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.objects import RECORD_ANNOTATION
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import ACCOUNTS_ANNOTATION
from ansible_collections.mesh.expansion.plugins.modules.istio_register import describe
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

VM1 = {"address": "192.168.0.81", "host": "deb-nginx01"}
VM2 = {"address": "192.168.0.82", "host": "deb-nginx02"}


def batch(*endpoints, ports=("http:9080",), **extra):
    service = {"name": "deb-nginx01", "namespace": "default", "ports": list(ports), "endpoints": list(endpoints)}
    return parse_registrations([{**service, **extra}])


def run(store, registrations, state="present", purge=False, before_write=None):
    wish = Wish(state=state, purge=purge)
    registrar = Registrar(FakeKube(store, before_write), wish, sleep=lambda _seconds: None)
    registrar.apply("default", registrations)
    return registrar


def stored(store, resource, name="deb-nginx01"):
    return store.objects.get((resource.plural, "default", name))


def held(store, name="deb-nginx01"):
    endpoints = stored(store, ENDPOINTS, name) or {}
    return sorted(
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or []
        for address in subset["addresses"]
        for port in subset["ports"]
    )


def foreign_endpoints(store, *addresses):
    subsets = [{"addresses": [{"ip": ip} for ip in addresses], "ports": [{"name": "http", "port": 9080}]}]
    store.put(ENDPOINTS, "default", {"metadata": {"name": "deb-nginx01"}, "subsets": subsets})


def foreign_service(store, **spec):
    store.put(SERVICES, "default", {"metadata": {"name": "deb-nginx01"}, "spec": spec})


# Parsing


def test_istioctl_form_and_mapping_mean_the_same():
    assert parse_port("http:9080", "x") == parse_port({"name": "http", "port": "9080"}, "x")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_of_pilot_is_accepted(protocol):
    assert parse_port(f"{protocol}-web:1", "x").name == f"{protocol}-web"


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("mysql:3306", "begins with 'mysql', which is no protocol that Pilot knows.*tcp-mysql"),
        ("9080", "has no name.*http:9080"),
        ("http:0", "is not a port number"),
        ("http:65536", "is not a port number"),
        ("http:web", "is not a port number"),
        ("HTTP:80", "port name 'HTTP' is not valid"),
    ],
)
def test_bad_ports_are_refused(port, message):
    with pytest.raises(RegistrationError, match=message):
        parse_port(port, "Service default/x")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("deb-nginx01", "is not an IP address"),
        ("127.0.1.1", "is a loopback address"),
        ("169.254.1.1", "is a link-local address"),
        ("0.0.0.0", "is a unspecified address"),
        ("fe80::1", "is a link-local address"),
    ],
)
def test_addresses_that_pods_cannot_reach_are_refused(address, message):
    with pytest.raises(RegistrationError, match=message):
        batch({"address": address})


def test_one_name_for_two_port_numbers_is_refused():
    with pytest.raises(RegistrationError, match="http:9080 and http:9081 exclude each other"):
        batch({**VM1, "ports": ["http:9080"]}, {**VM2, "ports": ["http:9081"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "1st"}, "is not a valid Service name"),
        ({"namespace": "De"}, "is not a valid namespace"),
        ({"ports": []}, "no ports given"),
        ({"endpoints": []}, "no endpoints given"),
        ({"service_account": "A B"}, "is not a valid ServiceAccount"),
    ],
)
def test_bad_services_are_refused(change, message):
    service = {"name": "x", "ports": ["http:1"], "endpoints": [VM1], **change}
    with pytest.raises(RegistrationError, match=message):
        parse_registrations([service])


def test_entries_for_one_service_are_merged():
    first = {"name": "x", "ports": ["http:1"], "endpoints": [VM2]}
    second = {"name": "x", "ports": ["grpc:2"], "endpoints": [VM1, VM2]}
    (merged,) = parse_registrations([first, second])
    assert [(e.address, [str(p) for p in e.ports]) for e in merged.endpoints] == [
        ("192.168.0.81", ["grpc:2"]),
        ("192.168.0.82", ["http:1", "grpc:2"]),
    ]


def test_one_vm_with_two_identities_in_one_service_is_refused():
    with pytest.raises(RegistrationError, match="'a' and 'b'"):
        batch({**VM1, "service_account": "a"}, {**VM1, "service_account": "b"})


def test_duplicate_addresses_are_reported():
    registrations = batch(VM1) + batch({**VM2, "address": VM1["address"]}, name="other")
    assert duplicate_address_warnings(registrations) == [
        "Address 192.168.0.81 is registered for several hosts: deb-nginx01, deb-nginx02. Pods see them as one."
    ]


# Registering


def test_objects_are_those_of_the_procedure():
    store = FakeStore()
    run(store, batch(VM1))
    service, endpoints = stored(store, SERVICES), stored(store, ENDPOINTS)
    assert "selector" not in service["spec"]
    assert [(p["name"], p["port"]) for p in service["spec"]["ports"]] == [("http", 9080)]
    assert endpoints["subsets"] == [
        {"addresses": [{"ip": "192.168.0.81"}], "ports": [{"name": "http", "port": 9080, "protocol": "TCP"}]}
    ]
    for body in (service, endpoints):
        assert body["metadata"]["annotations"][ACCOUNTS_ANNOTATION] == "default"
        assert body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "mesh.expansion"}
        assert json.loads(body["metadata"]["annotations"][RECORD_ANNOTATION]) == {
            "192.168.0.81": {"host": "deb-nginx01", "ports": ["http:9080"], "service_account": "default"}
        }


def test_a_second_run_writes_nothing():
    store = FakeStore()
    run(store, batch(VM1, VM2))
    version = store.version
    assert run(store, batch(VM1, VM2)).written == []
    assert store.version == version


def test_vms_of_separate_runs_end_up_behind_one_service():
    store = FakeStore()
    run(store, batch(VM1))
    run(store, batch(VM2))
    assert held(store) == ["192.168.0.81:9080", "192.168.0.82:9080"]


def test_our_service_gains_a_port_and_drops_it_when_nobody_serves_it():
    store = FakeStore()
    run(store, batch(VM1))
    run(store, batch({**VM2, "ports": ["http:9080", "grpc:9443"]}))
    assert [p["port"] for p in stored(store, SERVICES)["spec"]["ports"]] == [9080, 9443]
    run(store, batch(VM2), state="absent")
    assert [p["port"] for p in stored(store, SERVICES)["spec"]["ports"]] == [9080]


def test_a_vm_changes_its_port():
    store = FakeStore()
    run(store, batch(VM1))
    run(store, batch(VM1, ports=["http:9090"]))
    assert held(store) == ["192.168.0.81:9090"]
    assert [p["port"] for p in stored(store, SERVICES)["spec"]["ports"]] == [9090]


def test_a_port_name_that_another_vm_holds_is_refused():
    store = FakeStore()
    run(store, batch(VM1))
    with pytest.raises(RegistrationError, match="has the port http:9080, used by 192.168.0.81; http:9090 cannot"):
        run(store, batch(VM2, ports=["http:9090"]))


def test_service_accounts_of_all_vms_are_annotated():
    store = FakeStore()
    run(store, batch({**VM1, "service_account": "web"}, VM2))
    assert stored(store, SERVICES)["metadata"]["annotations"][ACCOUNTS_ANNOTATION] == "default,web"
    run(store, batch(VM1), state="absent")
    assert stored(store, SERVICES)["metadata"]["annotations"][ACCOUNTS_ANNOTATION] == "default"


def test_purge_removes_ours_and_only_when_asked():
    store = FakeStore()
    foreign_service(store, ports=[{"name": "http", "port": 9080}])
    foreign_endpoints(store, "192.168.0.99")
    run(store, batch(VM1, VM2))
    run(store, batch(VM2))
    assert held(store) == ["192.168.0.81:9080", "192.168.0.82:9080", "192.168.0.99:9080"]
    run(store, batch(VM2), purge=True)
    assert held(store) == ["192.168.0.82:9080", "192.168.0.99:9080"]


# Objects of others


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"selector": {"app": "x"}}, r"selects pods \(app=x\)"),
        ({"type": "ExternalName"}, "of type ExternalName"),
        ({"ports": [{"name": "http", "port": 80}]}, "lacks the port http:9080"),
    ],
)
def test_services_that_cannot_be_used_are_refused(spec, message):
    store = FakeStore()
    foreign_service(store, **spec)
    with pytest.raises(RegistrationError, match=message):
        run(store, batch(VM1))
    assert store.writes == []


def test_what_others_registered_stays_as_it_was():
    store = FakeStore()
    foreign_service(store, ports=[{"name": "http", "port": 9080}])
    foreign_endpoints(store, "192.168.0.81", "192.168.0.99")
    before = [stored(store, SERVICES), stored(store, ENDPOINTS)["subsets"]]
    plan = plan_present(batch(VM1)[0], stored(store, SERVICES), stored(store, ENDPOINTS))
    assert plan.operations == []
    assert any("registered by somebody else" in text for text in plan.warnings)
    assert any("annotation alpha.istio.io/kubernetes-serviceaccounts: default" in t for t in plan_warnings(store))
    run(store, batch(VM2))
    run(store, batch(VM1, VM2), state="absent")
    assert [stored(store, SERVICES), stored(store, ENDPOINTS)["subsets"]] == before
    assert RECORD_ANNOTATION not in (stored(store, ENDPOINTS)["metadata"].get("annotations") or {})
    leave = plan_absent(batch(VM1)[0], stored(store, SERVICES), stored(store, ENDPOINTS))
    assert leave.warnings == [
        "192.168.0.81 stays in Endpoints default/deb-nginx01: somebody else registered it. "
        "Remove it with the tool that put it there, for example istioctl deregister."
    ]


def plan_warnings(store):
    return plan_present(batch(VM2)[0], stored(store, SERVICES), stored(store, ENDPOINTS)).warnings


def test_attributes_that_others_set_survive():
    store = FakeStore()
    run(store, batch(VM1))
    service, endpoints = stored(store, SERVICES), stored(store, ENDPOINTS)
    service["metadata"]["labels"]["team"] = "web"
    service["spec"]["ports"].append({"name": "tcp-x", "port": 7, "targetPort": 70})
    endpoints["subsets"].append(
        {"notReadyAddresses": [{"ip": "10.0.0.1", "nodeName": "n"}], "ports": [{"name": "tcp-x", "port": 70}]}
    )
    run(store, batch(VM2))
    run(store, batch(VM1, VM2), state="absent")
    assert stored(store, SERVICES)["metadata"]["labels"]["team"] == "web"
    assert [p["targetPort"] for p in stored(store, SERVICES)["spec"]["ports"]] == [70]
    assert stored(store, ENDPOINTS)["subsets"][0]["notReadyAddresses"] == [{"ip": "10.0.0.1", "nodeName": "n"}]


def test_a_broken_record_is_reported():
    store = FakeStore()
    run(store, batch(VM1))
    stored(store, ENDPOINTS)["metadata"]["annotations"][RECORD_ANNOTATION] = "[]"
    with pytest.raises(RegistrationError, match="mesh.expansion/registered cannot be read"):
        run(store, batch(VM2))


# Leaving


def test_leaving_removes_what_was_created_and_twice_is_fine():
    store = FakeStore()
    run(store, batch(VM1, VM2))
    run(store, batch(VM1), state="absent")
    assert held(store) == ["192.168.0.82:9080"]
    run(store, batch(VM2), state="absent")
    assert store.objects == {}
    assert run(store, batch(VM2), state="absent").written == []


def test_leaving_needs_no_ports():
    store = FakeStore()
    run(store, batch(VM1))
    leave = parse_registrations([{"name": "deb-nginx01", "endpoints": [VM1]}], ports_required=False)
    run(store, leave, state="absent")
    assert store.objects == {}


# Others at work at the same time


def test_a_registration_in_between_is_not_lost():
    store = FakeStore()
    run(store, batch(VM1))
    rivals = [batch({"address": f"192.168.1.{n}"}) for n in range(3)]

    def interfere(_action, _key):
        if rivals:
            run(store, rivals.pop())

    registrar = run(store, batch(VM2), before_write=interfere)
    assert registrar.attempts > 1
    assert held(store) == sorted([f"192.168.0.{n}:9080" for n in (81, 82)] + [f"192.168.1.{n}:9080" for n in range(3)])


@pytest.mark.parametrize("moment", range(4))
def test_a_removal_in_between_does_not_take_the_new_address_along(moment):
    store = FakeStore()
    run(store, batch(VM1))
    writes = []

    def interfere(_action, _key):
        writes.append(1)
        if len(writes) == moment + 1:
            run(store, batch(VM1), state="absent")

    run(store, batch(VM2), before_write=interfere)
    if moment >= len(writes):
        run(store, batch(VM1), state="absent")
    assert held(store) == ["192.168.0.82:9080"]
    assert [p["port"] for p in stored(store, SERVICES)["spec"]["ports"]] == [9080]


@pytest.mark.parametrize("moment", range(3))
def test_a_registration_in_the_middle_of_a_removal_survives(moment):
    store = FakeStore()
    run(store, batch(VM1))
    writes = []

    def interfere(_action, _key):
        writes.append(1)
        if len(writes) == moment + 1:
            run(store, batch(VM2, ports=["http:9080", "grpc:9443"]))

    run(store, batch(VM1), state="absent", before_write=interfere)
    if len(writes) > moment:
        assert held(store) == ["192.168.0.82:9080", "192.168.0.82:9443"]
        assert {p["port"] for p in stored(store, SERVICES)["spec"]["ports"]} == {9080, 9443}


def test_endless_interference_ends_with_an_error():
    store = FakeStore()
    run(store, batch(VM1))

    def interfere(_action, key):
        store.version += 1
        store.objects[key]["metadata"]["resourceVersion"] = str(store.version)

    with pytest.raises(KubeRetriesExhausted, match="The registration of default/deb-nginx01 was changed by somebody"):
        run(store, batch(VM2), before_write=interfere)


hosts = st.sampled_from([f"192.168.0.{n}" for n in range(80, 84)])
steps = st.lists(
    st.tuples(st.sampled_from(["present", "absent"]), st.lists(hosts, min_size=1, max_size=3, unique=True)), max_size=6
)


@settings(deadline=None, max_examples=60)
@given(steps)
def test_any_sequence_leaves_exactly_the_addresses_of_a_set(sequence):
    store, expected = FakeStore(), set()
    for state, addresses in sequence:
        run(store, batch(*({"address": address} for address in addresses)), state=state)
        expected = expected | set(addresses) if state == "present" else expected - set(addresses)
        assert held(store) == sorted(f"{address}:9080" for address in expected)
        assert (stored(store, SERVICES) is not None) == bool(expected)


def test_the_report_is_the_plan():
    store = FakeStore()
    registrations = batch(VM1)
    plan = Registrar(FakeKube(store), Wish()).plan("default", registrations)
    report = describe([plan])
    assert report["operations"] == ["create Endpoints default/deb-nginx01", "create Service default/deb-nginx01"]
    assert store.writes == []
    assert run(store, registrations).written == report["operations"]
    assert report["diff"]["before"] == ""
    assert "ip: 192.168.0.81" in report["diff"]["after"]
    again = describe([Registrar(FakeKube(store), Wish()).plan("default", registrations)])
    assert (again["changed"], again["diff"]) == (False, {"before": "", "after": ""})
    assert again["services"] == [
        {
            "name": "deb-nginx01",
            "namespace": "default",
            "addresses": ["192.168.0.81"],
            "pending": [],
            "changed": False,
        }
    ]
