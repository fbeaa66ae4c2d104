# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of exposed services: profiles, overrides, a list of one's own, and what is refused."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.model import ExposureError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.profiles import (
    PROFILES,
    exposed_services,
    together,
)

OWN = {"name": "web-lb", "namespace": "web", "selector": {"app": "web"}, "ports": [{"port": 443}]}


def by_name(entries):
    return {entry["name"]: entry for entry in entries}


def own(**changes):
    return exposed_services("secure", services=[{**OWN, **changes}])


class TestSecureProfile:
    def test_order(self):
        for profile in ("secure", "reference"):
            names = [entry["name"] for entry in exposed_services(profile)]
            assert names == ["kube-dns-lb", "istio-mixer-lb", "istio-pilot-lb", "istio-citadel-lb"]

    def test_unauthenticated_ports_are_not_exposed(self):
        ports = {port["port"] for entry in exposed_services("secure") for port in entry["ports"]}
        assert ports == {53, 15004, 9091, 15005, 15011, 8060}

    def test_dns_over_udp_and_tcp(self):
        dns = by_name(exposed_services("secure"))["kube-dns-lb"]
        assert [(port["protocol"], port["port"], port["one_packet"]) for port in dns["ports"]] == [
            ("UDP", 53, True),
            ("TCP", 53, False),
        ]

    def test_nobody_is_pinned(self):
        assert {port["persistence"] for entry in exposed_services("secure") for port in entry["ports"]} == {0}

    def test_namespaces_and_domain(self):
        entries = by_name(exposed_services("secure", None, "mesh", "dns", "example.net"))
        assert entries["kube-dns-lb"]["dns_zone"] == "svc.example.net"
        assert entries["kube-dns-lb"]["namespace"] == "dns"
        assert {entry["namespace"] for name, entry in entries.items() if name != "kube-dns-lb"} == {"mesh"}

    def test_dns_names(self):
        names = {entry["name"]: entry["dns_names"] for entry in exposed_services("secure")}
        assert names == {
            "kube-dns-lb": [],
            "istio-mixer-lb": ["istio-mixer", "istio-policy", "istio-telemetry"],
            "istio-pilot-lb": ["istio-pilot"],
            "istio-citadel-lb": ["istio-citadel", "istio-ca"],
        }


class TestIstiod:
    def test_only_the_authenticated_port_is_exposed(self):
        (entry,) = exposed_services("istiod")
        assert (entry["name"], entry["namespace"]) == ("istiod-lb", "istio-system")
        assert entry["selector"] == {"app": "istiod"}
        assert [(port["name"], port["port"]) for port in entry["ports"]] == [("tls-xds", 15012)]
        # Who looks for istiod by its labels finds the installer's own Service.
        assert (entry["labels"], entry["dns_names"]) == ({}, ["istiod"])

    @pytest.mark.parametrize(("revision", "name"), [("1-31", "istiod-1-31"), ("default", "istiod")])
    def test_a_revision_has_pods_and_a_name_of_its_own(self, revision, name):
        (entry,) = exposed_services("istiod", revision=revision)
        assert entry["selector"] == {"app": "istiod", "istio.io/rev": revision}
        assert entry["dns_names"] == [name]

    def test_the_gateway_says_in_which_network_the_pods_are(self):
        known = exposed_services("istiod", vm_to_pods=True, network="pods")[1]
        assert (known["name"], known["selector"]) == ("istio-eastwestgateway-lb", {"istio": "eastwestgateway"})
        assert [port["port"] for port in known["ports"]] == [15443]
        assert (known["labels"], known["inherited_labels"]) == ({"topology.istio.io/network": "pods"}, [])
        asked = exposed_services("istiod", vm_to_pods=True)[1]
        assert (asked["labels"], asked["inherited_labels"]) == ({}, ["topology.istio.io/network"])

    def test_the_cluster_s_dns_only_on_request(self):
        entries = by_name(exposed_services("istiod", cluster_dns=True))
        assert entries["kube-dns-lb"] == by_name(exposed_services("secure"))["kube-dns-lb"]
        assert list(entries) == ["istiod-lb", "kube-dns-lb"]


class TestOverrides:
    def test_nodes_of_one_entry(self):
        entries = by_name(exposed_services("secure", {"istio-pilot-lb": {"nodes": ["a"]}}))
        assert entries["istio-pilot-lb"]["nodes"] == ["a"]
        assert entries["istio-mixer-lb"]["nodes"] == []

    def test_persistence_holds_for_all_ports_and_ends_one_packet_scheduling(self):
        dns = by_name(exposed_services("secure", {"kube-dns-lb": {"persistence": 60}}))["kube-dns-lb"]
        assert [(port["persistence"], port["one_packet"]) for port in dns["ports"]] == [(60, False), (60, False)]

    def test_persistence_and_one_packet_when_both_are_asked_for(self):
        dns = by_name(exposed_services("secure", {"kube-dns-lb": {"persistence": 60, "one_packet": True}}))[
            "kube-dns-lb"
        ]
        assert [(port["persistence"], port["one_packet"]) for port in dns["ports"]] == [(60, True), (60, False)]

    def test_no_persistence_in_the_reference_profile(self):
        dns = by_name(exposed_services("reference", {"kube-dns-lb": {"persistence": 0}}))["kube-dns-lb"]
        assert [port["persistence"] for port in dns["ports"]] == [0]

    def test_ports_are_replaced(self):
        entry = by_name(
            exposed_services("secure", {"istio-citadel-lb": {"ports": [{"port": 8061, "persistence": 5}]}})
        )["istio-citadel-lb"]
        assert [(port["port"], port["persistence"]) for port in entry["ports"]] == [(8061, 5)]

    def test_inputs_are_not_changed(self):
        overrides = {"web-lb": {"nodes": ["a"], "persistence": 3}}
        services = [copy.deepcopy(OWN)]
        before = copy.deepcopy((overrides, services))
        exposed_services("secure", overrides, services=services)
        assert (overrides, services) == before

    def test_the_result_is_a_fixed_point(self):
        for profile in PROFILES:
            entries = exposed_services(profile)
            assert exposed_services("secure", services=entries) == entries


class TestOwnList:
    def test_defaults(self):
        assert own() == [
            {
                "name": "web-lb",
                "namespace": "web",
                "selector": {"app": "web"},
                "labels": {},
                "inherited_labels": [],
                "nodes": [],
                "scheduler": "wrr",
                "dns_names": [],
                "dns_zone": "",
                "ports": [
                    {
                        "name": "",
                        "port": 443,
                        "protocol": "TCP",
                        "target_port": 443,
                        "persistence": 0,
                        "one_packet": False,
                    }
                ],
            }
        ]

    def test_a_port_may_be_a_number(self):
        assert own(ports=[443]) == own()

    def test_an_empty_list_means_the_profile(self):
        assert exposed_services("secure", services=[]) == exposed_services("secure")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ports": []}, "exposed service 1 (web-lb): ports is missing or empty"),
        ({"selector": {}}, "exposed service 1 (web-lb): selector is missing or empty"),
        ({"colour": "red"}, "exposed service 1: unknown key 'colour'"),
        ({"nodes": "a"}, "exposed service web-lb: nodes must be a list"),
        (
            {"ports": [{"port": 0}]},
            "exposed service web-lb: port: port is 0; it must be a whole number from 1 to 65535",
        ),
        ({"ports": [{"port": "http"}]}, "exposed service web-lb: port: port is 'http'"),
        ({"ports": [{"port": True}]}, "exposed service web-lb: port: port is True"),
        ({"ports": [{}]}, "exposed service web-lb: port: port is None"),
        (
            {"ports": [{"port": 1, "protocol": "SCTP"}]},
            "exposed service web-lb: port 1: protocol is 'SCTP'; use one of TCP, UDP",
        ),
        ({"ports": [{"port": 1, "one_packet": True}]}, "exposed service web-lb: port 1: one_packet is for UDP only"),
        (
            {"ports": [{"port": 1, "one_packet": "yes"}]},
            "exposed service web-lb: port 1: one_packet is 'yes'; it must be true or false",
        ),
        ({"ports": [{"port": 1, "persistence": -1}]}, "exposed service web-lb: port 1: persistence is -1"),
        ({"ports": [{"port": 1, "weight": 1}]}, "exposed service web-lb: port: unknown key 'weight'"),
        ({"ports": [1, 2]}, "exposed service web-lb: with more than one port each needs a name of its own"),
    ],
)
def test_bad_entries_are_refused(changes, message):
    with pytest.raises(ExposureError) as error:
        own(**changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"profile": "open"}, "unknown profile 'open': use one of secure, reference, istiod"),
        (
            {"profile": "secure", "overrides": {"istio-pilot": {}}},
            "overrides of exposed services: unknown key 'istio-pilot', did you mean 'istio-pilot-lb'? Known are kube",
        ),
        (
            {"profile": "secure", "overrides": {"istio-pilot-lb": {"node": []}}},
            "override of exposed service istio-pilot-lb: unknown key 'node'",
        ),
        (
            {"profile": "secure", "overrides": {"istio-pilot-lb": "x"}},
            "override of exposed service istio-pilot-lb: must be a dictionary, not 'x'",
        ),
        ({"profile": "secure", "services": [OWN, OWN]}, "exposed service web-lb is listed twice"),
        ({"profile": "secure", "services": ["web"]}, "exposed service 1: must be a dictionary, not 'web'"),
        (
            {"profile": "secure", "services": [OWN, {**OWN, "name": "b"}]},
            "TCP port 443 is exposed by both web-lb and b",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ExposureError) as error:
        exposed_services(**arguments)
    assert message in str(error.value)


def entry(name: str, *ports: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "namespace": "mesh", "selector": {"app": name}, "ports": list(ports), **more}


def test_of_two_lists_the_second_one_loses_no_port() -> None:
    own = exposed_services("", services=[entry("both", {"name": "a", "port": 1}, dns_names=["new"])])
    theirs = [entry("both", {"port": 1}, {"port": 2, "name": "a"}, {"port": 3, "name": "c"}, dns_names=["old"])]
    theirs[0]["ports"][0]["name"] = "first"
    former = exposed_services("", services=[*theirs, entry("theirs", 4)])
    both, other = together(own, former)
    assert [(port["name"], port["port"]) for port in both["ports"]] == [("a", 1), ("tcp-2", 2), ("c", 3)]
    assert both["dns_names"] == ["new", "old"]
    assert other == former[1]


def test_one_port_is_not_for_two_services() -> None:
    own, former = ([{**entry(name, 1)}] for name in ("own", "former"))
    with pytest.raises(ExposureError, match="port 1 is exposed by both own and former"):
        together(exposed_services("", services=own), exposed_services("", services=former))
