# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of a site mean, and every sentence about one that cannot be used."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import parts, site
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError

from tests.unit.plugins import seen_site

VARIABLES: dict[str, Any] = {
    "mesh_control_plane": "citadel",
    "mesh_vip": "192.168.0.62",
    "mesh_service_cidr": "10.233.0.0/16",
    "mesh_pod_cidr": "10.244.0.0/16",
    "mesh_dhcp_ranges": ["192.168.0.100-192.168.0.199", "192.168.1.0/25"],
    "mesh_upstream_dns": ["9.9.9.9"],
    "mesh_sidecar_package": "http://192.168.0.1:8000/istio-sidecar.deb",
    "mesh_sidecar_checksum": "sha256:" + "0" * 64,
}
HOSTS: dict[str, dict[str, Any]] = {
    "lvs1": {"ansible_host": "192.168.0.61"},
    "k8s-node1": {"ansible_host": "192.168.0.71"},
    "192.168.0.72": {},
    "web1": {"ansible_host": "203.0.113.9", "mesh_vm_address": "192.168.0.81", "mesh_vm_services": [{"name": "web"}]},
    "web2": {"ansible_host": "192.168.0.82", "mesh_vm_namespace": "shop", "mesh_service_account": "till"},
}
GROUPS = {"director": ["lvs1"], "k8s_nodes": ["k8s-node1", "192.168.0.72"], "vms": ["web1", "web2"]}


def parsed(changes: dict[str, Any] | None = None, hosts: dict[str, dict[str, Any]] | None = None) -> site.Site:
    variables = {**VARIABLES, **(changes or {})}
    all_hosts = {name: {**HOSTS[name], **(hosts or {}).get(name, {})} for name in HOSTS}
    return site.parse(variables.get, GROUPS, lambda name: all_hosts[name].get)


def test_a_good_site() -> None:
    good = parsed()
    assert good.problems == ()
    assert {name: host.address for name, host in good.hosts.items()} == {
        "lvs1": "192.168.0.61",
        "k8s-node1": "192.168.0.71",
        "192.168.0.72": "192.168.0.72",
        "web1": "192.168.0.81",
        "web2": "192.168.0.82",
    }
    assert good.vms["web2"].as_dict() == {
        "name": "web2",
        "address": "192.168.0.82",
        "namespace": "shop",
        "service_account": "till",
        "services": [],
    }
    with pytest.raises(dataclasses.FrozenInstanceError):
        good.vip = "1.2.3.4"  # type: ignore[misc]


def test_what_a_vm_s_workload_has_is_what_is_set() -> None:
    hosts = {"web1": {"mesh_vm_weight": 0, "mesh_vm_network": "vm-network", "mesh_vm_labels": {"version": "v1"}}}
    vm = parsed(hosts=hosts).vms["web1"]
    assert vm.as_dict()["workload"] == {"weight": 0, "network": "vm-network", "labels": {"version": "v1"}}
    assert "workload" not in parsed().vms["web1"].as_dict()


def test_a_vm_that_reaches_pods_through_a_gateway_is_in_another_network() -> None:
    assert parsed(hosts={"web1": {"mesh_vm_to_pods": "true"}}).vms["web1"].workload == {"network": "vm-network"}
    own = {"web1": {"mesh_vm_to_pods": True, "mesh_vm_network": "dmz"}}
    assert parsed(hosts=own).vms["web1"].workload == {"network": "dmz"}


def test_what_istiod_exposes_follows_the_variables() -> None:
    def names(**changes: Any) -> list[str]:
        found = parsed({"mesh_control_plane": "istiod", **changes})
        assert found.problems == ()
        return [entry["name"] for entry in found.exposed_services()]

    assert names() == ["istiod-lb"]
    assert names(mesh_vm_to_pods=True) == ["istiod-lb", "istio-eastwestgateway-lb"]
    assert names(mesh_dns_mode="dnsmasq") == ["istiod-lb", "kube-dns-lb"]
    istiod = parsed({"mesh_control_plane": "istiod", "mesh_vm_to_pods": True})
    assert (istiod.exposure_backend, istiod.registration) == ("auto", "auto")
    assert parts.value_of(parts.part("gateway"), istiod) == {"istio": "eastwestgateway"}
    assert parts.value_of(parts.part("gateway"), parsed()) == {}


def test_servers_with_tls_and_where_their_roots_are() -> None:
    istiod = parsed({"mesh_control_plane": "istiod", "mesh_revision": "canary", "mesh_istio_namespace": "mesh"})
    assert parts.value_of(parts.part("tls_names"), istiod) == {"15012": "istiod-canary.mesh.svc"}
    assert parts.value_of(parts.part("tls_names"), parsed({"mesh_control_plane": "citadel"})) == {}
    namespaces = {"web1": {"mesh_vm_namespace": "shop"}}
    assert parts.value_of(parts.part("roots_namespace"), parsed(hosts=namespaces)) == "shop"
    moving = parsed({"mesh_control_plane": "citadel", "mesh_migrate_from": {"mesh_control_plane": "istiod"}})
    assert moving.tls_names() == {"15012": "istiod.istio-system.svc"}


@pytest.mark.parametrize(("given", "read"), [(None, False), ("yes", True), (True, True), ("false", False)])
def test_plain_clients(given: Any, read: bool) -> None:
    assert parsed({"mesh_plain_clients": given}).plain_clients is read


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({}, True),
        ({"mesh_control_plane": "istiod"}, False),
        ({"mesh_control_plane": "istiod", "mesh_dns_mode": "hosts"}, False),
        ({"mesh_control_plane": "istiod", "mesh_dns_mode": "dnsmasq"}, True),
    ],
)
def test_the_service_network_is_asked_for_where_something_is_made_of_it(changes: dict[str, Any], needed: bool) -> None:
    own = {"mesh_exposed_profile": None, "mesh_exposed_overrides": None, "mesh_service_cidr": None}
    texts = [problem.text for problem in parsed({**own, **changes}).problems]
    assert [text for text in texts if not text.startswith("mesh_service_cidr: not set")] == []
    assert bool(texts) is needed
    wrong = parsed({**own, **changes, "mesh_service_cidr": "10.233.0.0"}).problems
    assert [problem.variable for problem in wrong] == ["mesh_service_cidr"]


def test_a_backend_that_the_generation_cannot_read_is_refused() -> None:
    bad = parsed({"mesh_registration": "workload_entry"})
    assert [problem.text for problem in bad.problems] == [
        "mesh_registration: 'workload_entry' is not known. Set it to 'endpoints'."
    ]
    assert bad.registration == "endpoints"


def test_what_is_not_set_has_a_default() -> None:
    least = parsed({name: None for name in VARIABLES if name not in ("mesh_vip", "mesh_sidecar_package")})
    assert least.problems == ()
    assert (least.generation.name, least.profile, least.registration) == ("istiod", "istiod", "auto")
    assert (least.istio_namespace, least.dns_namespace, least.cluster_domain) == (
        "istio-system",
        "kube-system",
        "cluster.local",
    )


LINES = [
    ({"mesh_vip": ""}, r"^mesh_vip: not set\. Set it to a free address in the director's subnet"),
    ({"mesh_vip": None}, r"^mesh_vip: not set\. Set it to a free address in the director's subnet"),
    ({"mesh_vip": "192.168.0.300"}, r"^mesh_vip: '192\.168\.0\.300' is not a usable IPv4 address\. Set it"),
    ({"mesh_vip": "192.168.1"}, r"^mesh_vip: '192\.168\.1' is not a usable IPv4 address\. Set it"),
    ({"mesh_vip": "127.0.0.1"}, r"^mesh_vip: '127\.0\.0\.1' is not a usable IPv4 address\. Set it"),
    (
        {"mesh_vip": "10.233.0.9"},
        r"^mesh_vip: 10\.233\.0\.9 lies in mesh_service_cidr 10\.233\.0\.0/16.*Choose an address",
    ),
    ({"mesh_vip": "10.244.0.9"}, r"^mesh_vip: 10\.244\.0\.9 lies in mesh_pod_cidr.*Choose an address outside"),
    ({"mesh_vip": "192.168.0.150"}, r"^mesh_vip: 192\.168\.0\.150 lies in mesh_dhcp_ranges.*Choose an address outside"),
    ({"mesh_vip": "192.168.1.127"}, r"^mesh_vip: 192\.168\.1\.127 lies in mesh_dhcp_ranges"),
    ({"mesh_service_cidr": ""}, r"^mesh_service_cidr: not set\. Set it to the cluster's Service CIDR"),
    (
        {"mesh_service_cidr": "10.233.0.1/16"},
        r"^mesh_service_cidr: '10\.233\.0\.1/16' is not an IPv4 network\. Write it as",
    ),
    ({"mesh_service_cidr": "10.233.0.0"}, r"^mesh_service_cidr: '10\.233\.0\.0' is not an IPv4 network\. Write it as"),
    (
        {"mesh_pod_cidr": "10.244.0.0/99"},
        r"^mesh_pod_cidr: '10\.244\.0\.0/99' is not an IPv4 network\. Write the cluster's",
    ),
    (
        {"mesh_pod_cidr": ["10.200.0.0/16", "10.233.64.0/18"]},
        r"^mesh_pod_cidr: 10\.233\.64\.0/18 is in mesh_service_cidr 10\.233\.0\.0/16",
    ),
    (
        {"mesh_pod_cidr": "192.168.0.80/31"},
        r"^web1: its address 192\.168\.0\.81 lies in mesh_pod_cidr.*this VM\. Correct",
    ),
    (
        {"mesh_service_cidr": "192.168.0.72/32"},
        r"^192\.168\.0\.72: its address 192\.168\.0\.72 lies in mesh_service_cidr.*this node\. Correct",
    ),
    ({"mesh_dhcp_ranges": "all"}, r"^mesh_dhcp_ranges: 'all' is no range\. Write first-last or a network"),
    (
        {"mesh_control_plane": "x"},
        r"^mesh_control_plane: 'x' is not known\. Set it to 'citadel' \(Istio 1\.0 to 1\.4\) or 'istiod' \(Istio",
    ),
    ({"mesh_revision": "1.31"}, r"^mesh_revision: '1\.31' is not the name of a revision\. Set it to istiod's label"),
    ({"mesh_network": "pods!"}, r"^mesh_network: 'pods!' cannot be a label's value\. Use letters"),
    ({"mesh_label_network": True}, r"^mesh_label_network: true, but mesh_network is not set\. Set mesh_network"),
    ({"mesh_exposed_profile": "all"}, r"^mesh_exposed_profile: 'all' is not known\. Set it to 'secure' or 'reference'"),
    (
        {"mesh_control_plane_auth": "tls"},
        r"^mesh_control_plane_auth: 'tls' is not known\. Set it to 'MUTUAL_TLS' or 'NONE'",
    ),
    (
        {"mesh_exposed_overrides": {"nope": {}}},
        r"^mesh_exposed_services or mesh_exposed_overrides: .*nope.*Correct the entry",
    ),
    ({"mesh_istio_namespace": "Istio"}, r"^mesh_istio_namespace: 'Istio' is not a namespace name\. Use lower-case"),
    ({"mesh_dns_namespace": ""}, r"^mesh_dns_namespace: '' is not a namespace name\. Use lower-case"),
    ({"mesh_cluster_domain": "a..b"}, r"^mesh_cluster_domain: 'a\.\.b' is not a domain name\. Set it to the cluster's"),
    ({"mesh_trust_domain": "a_b"}, r"^mesh_trust_domain: 'a_b' is not a domain name"),
    ({"mesh_upstream_dns": "8.8.8.8"}, r"^mesh_upstream_dns: '8\.8\.8\.8' is not a list\. Write a list"),
    ({"mesh_upstream_dns": ["dns"]}, r"^mesh_upstream_dns: 'dns' is not an IP address\. Give name servers by address"),
    ({"mesh_upstream_dns": ["192.168.0.62"]}, r"^mesh_upstream_dns: 192\.168\.0\.62 is mesh_vip.*Name the servers"),
    (
        {"mesh_sidecar_package": ""},
        r"^mesh_sidecar_package: not set\. Set it to the path on the control node, or the URL",
    ),
    (
        {"mesh_sidecar_allow_downgrade": "perhaps"},
        r"^mesh_sidecar_allow_downgrade: 'perhaps' is neither true nor false\. Set it to one of them",
    ),
    (
        {"mesh_plain_clients": "maybe"},
        r"^mesh_plain_clients: 'maybe' is neither true nor false\. Set it to one of them",
    ),
    ({"mesh_sidecar_checksum": "abc"}, r"^mesh_sidecar_checksum: 'abc' is not a checksum\. Write algorithm:value"),
]


@pytest.mark.parametrize(("changes", "line"), LINES)
def test_what_cannot_be_used(changes: dict[str, Any], line: str) -> None:
    texts = [problem.text for problem in parsed(changes).problems]
    assert len(texts) == 1, texts
    assert re.search(line, texts[0]), texts[0]


@pytest.mark.parametrize(("value", "meant"), [(None, False), (True, True), ("true", True), ("no", False)])
def test_whether_a_package_may_be_older(value: object, meant: bool) -> None:
    assert parsed({"mesh_sidecar_allow_downgrade": value}).sidecar_allow_downgrade is meant


def test_an_address_that_is_none_is_the_preflight_s_business() -> None:
    assert parsed(hosts={"web1": {"mesh_vm_address": "web1.example.com"}}).problems == ()


def test_parts_say_which_variable_they_lack() -> None:
    broken = parsed({"mesh_vip": None, "mesh_sidecar_checksum": "abc", "mesh_plain_clients": "x"})
    with pytest.raises(MeshError, match="^mesh_plain_clients: 'x' is neither"):
        parts.value_of(parts.part("plain_clients"), broken)
    assert parts.value_of(parts.part("service_cidr"), broken) == "10.233.0.0/16"
    assert parts.value_of(parts.part("nodes"), broken) == {"k8s-node1": "192.168.0.71", "192.168.0.72": "192.168.0.72"}
    assert parts.value_of(parts.part("vm_addresses"), broken) == ["192.168.0.81", "192.168.0.82"]
    for name in ("vip", "probe_names"):
        with pytest.raises(MeshError, match=r"^mesh_vip: not set\. Set it to"):
            parts.value_of(parts.part(name), broken)
    with pytest.raises(MeshError, match="^mesh_sidecar_checksum: 'abc'"):
        parts.value_of(parts.part("sidecar_checksum"), broken)
    with pytest.raises(MeshError, match="no part 'vipp'; there are .*client, "):
        parts.part("vipp")


@pytest.mark.parametrize("name", parts.PARTS)
def test_every_part_of_a_good_site_has_a_value(name: str) -> None:
    value = parts.value_of(parts.part(name), parsed())
    assert value is not None
    assert all(variable.startswith("mesh_") for variable in parts.part(name).needs)


def outcome(name: str, variables: dict[str, Any]) -> Any:
    try:
        return parts.value_of(parts.part(name), parsed(variables))
    except MeshError as exc:
        return str(exc)


SET_ALONE: dict[str, Any] = {
    "mesh_kubeconfig": "/etc/kubeconfig",
    "mesh_kube_context": "lab",
    "mesh_verify_client": {"namespace": "shop", "selector": "app=till"},
    "mesh_verify_expect": "Welcome",
}


@pytest.mark.parametrize("name", parts.PARTS)
def test_no_part_needs_a_variable_that_is_not_read_for_it(name: str) -> None:
    """Neither its value nor what is said of it, whatever is wrong with the site."""
    assert parts.ALONE.keys() == {*SET_ALONE, "mesh_sidecar_checksum"}
    for changes in ({}, *(changes for changes, _line in LINES)):
        full = {**SET_ALONE, **changes}
        assert outcome(name, {**full, **dict.fromkeys(parts.unread(name))}) == outcome(name, full)


@pytest.mark.parametrize(("variable", "name"), [(key, parts.ALONE[key]) for key in SET_ALONE])
def test_a_variable_is_read_for_the_part_that_is_made_of_it(variable: str, name: str) -> None:
    assert variable not in parts.unread(name)
    assert outcome(name, SET_ALONE) == SET_ALONE[variable]


def test_names_that_a_vm_s_resolver_must_know() -> None:
    names = parsed({"mesh_istio_namespace": "mesh", "mesh_cluster_domain": "corp.example"}).probe_names()
    assert names == [
        {"name": "istio-pilot", "expect": ["192.168.0.62"]},
        {"name": "istio-pilot", "type": "AAAA", "empty": True},
        {"name": "istio-pilot.mesh.svc.corp.example"},
        {"name": "example.com"},
    ]


def test_what_only_an_istiod_needs() -> None:
    found = parsed({"mesh_control_plane": "istiod", "mesh_verify_server": "http://web.shop:80/"})
    assert "mesh_verify_server" not in {problem.variable for problem in found.problems}
    values = {name: parts.value_of(parts.part(name), found) for name in ("identity", "dns_mode", "server", "revision")}
    assert values == {"identity": "token", "dns_mode": "capture", "server": "http://web.shop:80/", "revision": ""}
    assert parts.value_of(parts.part("identity"), parsed()) == "secret"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("mesh_verify_server", "https://web", "'https://web' is no URL of a Service. Write it as http://NAME"),
        ("mesh_verify_server", "web:80", "is no URL of a Service"),
        ("mesh_report_path", "/srv/www/mesh", "'/srv/www/mesh' does not end with .html. Name a file that does"),
        ("mesh_certificate_ttl", "3 days", "'3 days' is no duration. Write hours, minutes and seconds, such as 72h"),
        ("mesh_certificate_ttl", "72", "'72' is no duration"),
        ("mesh_prune_after", "a day", "'a day' is no duration. Write hours, minutes and seconds, such as 24h"),
        ("mesh_prune_max", "-1", "'-1' is no number of VMs. Write how many may go in one run, such as 5."),
    ],
)
def test_what_an_istiod_could_not_use(variable: str, value: str, words: str) -> None:
    (problem,) = parsed({variable: value}).problems
    assert problem.variable == variable
    assert words in problem.text


@pytest.mark.parametrize("value", ["72h", "1h30m", "90m", "60s"])
def test_durations(value: str) -> None:
    assert parsed({"mesh_certificate_ttl": value}).problems == ()


def test_what_prune_is_told() -> None:
    given = [{}, {"mesh_prune_after": "1h30m5s", "mesh_prune_max": 20}]
    parts_of = [
        [parts.value_of(parts.part(f"prune_{name}"), parsed(item)) for name in ("after", "max")] for item in given
    ]
    assert parts_of == [[86400, 5], [5405, 20]]


FORMER = {"mesh_control_plane": "citadel", "mesh_exposed_profile": "reference"}


def migrating(**changes: Any) -> site.Site:
    return parsed({"mesh_control_plane": "istiod", "mesh_migrate_from": FORMER, **changes})


def test_while_vms_move_either_generation_is_exposed() -> None:
    found = migrating(mesh_exposed_profile="istiod")
    assert found.problems == ()
    former = parsed(FORMER).exposed_services()
    alone = parsed({"mesh_control_plane": "istiod", "mesh_dns_mode": "dnsmasq"}).exposed_services()
    services = {entry["name"]: entry for entry in found.exposed_services()}
    assert set(services) == {entry["name"] for entry in [*former, *alone]}
    # Of what both have, the new one says how, and no port goes.
    (dns,) = [entry for entry in alone if entry["name"] == "kube-dns-lb"]
    assert services["kube-dns-lb"] == dns
    ports = {(port["port"], port["protocol"]) for entry in services.values() for port in entry["ports"]}
    assert ports >= {(port["port"], port["protocol"]) for entry in former for port in entry["ports"]}
    assert services["istio-pilot-lb"]["ports"][0]["persistence"] == 300
    assert parts.value_of(parts.part("former"), found) == "citadel"
    assert parts.value_of(parts.part("former"), parsed()) == ""
    # Who goes back resolves the names of the former alone.
    back = parts.value_of(parts.part("former_dns"), found)
    assert back == {"mode": "dnsmasq", "services": former, "probe_names": parsed(FORMER).probe_names()}
    assert parts.value_of(parts.part("former_dns"), parsed()) == {}


def test_while_vms_move_names_are_resolved_as_before() -> None:
    assert migrating().dns_mode == "dnsmasq"
    assert migrating(mesh_dns_mode="capture").dns_mode == "capture"
    assert parsed({"mesh_control_plane": "istiod"}).dns_mode == "capture"
    # What holds for the new generation does not hold for the former.
    assert migrating(mesh_exposed_overrides={"istiod-lb": {"nodes": ["k8s-node1"]}}).problems == ()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("citadel", "'citadel' is of no use. Write the variables"),
        ({"mesh_exposed_profile": "secure"}, "is of no use. Write the variables"),
        ({"mesh_control_plane": "istiod"}, "'istiod' is mesh_control_plane, to which VMs move"),
        ({"mesh_control_plane": "citadel", "mesh_vip": "192.0.2.1"}, "mesh_vip is none of mesh_control_plane, "),
        ({"mesh_control_plane": "pilot"}, "mesh_control_plane: 'pilot' is not known"),
        ({**FORMER, "mesh_exposed_overrides": {"nobody": {}}}, "overrides of exposed services: unknown key 'nobody'"),
    ],
)
def test_what_vms_come_from_has_to_be_usable(value: Any, said: str) -> None:
    found = list(migrating(mesh_migrate_from=value).problems)
    assert [problem.variable for problem in found] == ["mesh_migrate_from"]
    assert found[0].text.startswith("mesh_migrate_from: ")
    assert said in found[0].text


@pytest.mark.parametrize(("revision", "name"), [("", "istiod"), ("default", "istiod"), ("1-31", "istiod-1-31")])
def test_a_resolver_is_tried_with_the_name_of_the_revision(revision: str, name: str) -> None:
    found = parsed({"mesh_control_plane": "istiod", "mesh_dns_mode": "dnsmasq", "mesh_revision": revision})
    assert [query["name"] for query in found.probe_names()[:3]] == [
        name,
        name,
        f"{name}.istio-system.svc.cluster.local",
    ]
    assert name in [known for entry in found.exposed_services() for known in entry["dns_names"]]


def test_the_picture_has_what_a_report_is_made_of() -> None:
    found = parts.part("picture").value(parsed())
    assert set(found) == set(seen_site.Site().site)
    assert found["directors"] == [{"name": "lvs1", "address": "192.168.0.61"}]
    assert [service["name"] for service in found["services"]] == [
        service["name"] for service in parsed().exposed_services()
    ]


def test_rows_of_a_vm_alone() -> None:
    found = parts.value_of(parts.part("vm_rows"), parsed({"mesh_control_plane": "istiod"}))
    assert {"I5", "I8", "I9"} <= set(found)
    assert not {"I1", "I3", "I12"} & set(found)
