# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From inventory to batch."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.filter.mesh_registrations import mesh_registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import parse_registrations

WEB = {"name": "web", "port": 9080, "protocol": "http"}


def vm(number, *services, **extra):
    return {"name": f"vm{number}", "address": f"192.168.0.8{number}", "services": list(services), **extra}


def test_the_procedure_s_vm():
    service = {"name": "deb-nginx01", "port": 9080, "protocol": "http"}
    host = {"name": "deb-nginx01", "address": "192.168.0.81", "services": [service]}
    port = {"name": "http", "port": 9080}
    assert mesh_registrations([host]) == [
        {
            "name": "deb-nginx01",
            "namespace": "default",
            "ports": [port],
            "endpoints": [
                {"address": "192.168.0.81", "host": "deb-nginx01", "service_account": "default", "ports": [port]}
            ],
        }
    ]


def test_vms_of_one_service_are_merged_with_their_own_ports():
    (item,) = mesh_registrations([vm(1, WEB), vm(2, WEB, {**WEB, "port": "9443", "protocol": "grpc"})])
    assert [port["port"] for port in item["ports"]] == [9080, 9443]
    assert [[port["port"] for port in endpoint["ports"]] for endpoint in item["endpoints"]] == [[9080], [9080, 9443]]
    assert len(parse_registrations([item])[0].endpoints) == 2


def test_namespace_and_account_come_from_service_then_host_then_site():
    hosts = [
        vm(1, WEB),
        vm(2, WEB, namespace="h", service_account="ha"),
        vm(3, {**WEB, "namespace": "s", "service_account": "sa"}, namespace="h", service_account="ha"),
    ]
    found = mesh_registrations(hosts, "site", "site-sa")
    assert [(i["namespace"], i["endpoints"][0]["service_account"]) for i in found] == [
        ("site", "site-sa"),
        ("h", "ha"),
        ("s", "sa"),
    ]


def test_what_a_workload_has_goes_to_its_endpoint_and_the_rest_to_its_service():
    workload = {"weight": 5, "network": "vm-network", "labels": {"version": "v1"}, "group": "web"}
    probe = {"tcpSocket": {"port": 9080}}
    hosts = [vm(1, {**WEB, "selector": {"app": "web"}, "probe": probe}, workload=workload), vm(2, WEB)]
    (item,) = mesh_registrations(hosts, plain_clients=True)
    assert (item["selector"], item["probe"], item["plain_clients"]) == ({"app": "web"}, probe, True)
    assert {key: item["endpoints"][0][key] for key in workload} == workload
    assert not workload.keys() & item["endpoints"][1].keys()
    assert parse_registrations([item], backend="auto")[0].endpoints[0].weight == 5


def test_with_auto_a_vm_has_a_group_and_a_probe():
    grpc = {**WEB, "name": "stock", "port": "9443", "protocol": "grpc"}
    found = mesh_registrations([vm(1, WEB, grpc), vm(2, grpc)], backend="auto")
    given = [
        (e["host"], item["name"], e["group"], e["probe"]["tcpSocket"]["port"])
        for item in found
        for e in item["endpoints"]
    ]
    assert given == [("vm1", "web", "web", 9080), ("vm1", "stock", "web", 9080), ("vm2", "stock", "stock", 9443)]
    assert parse_registrations(found, backend="auto")[0].endpoints[0].probe == {"tcpSocket": {"port": 9080}}


def test_what_the_inventory_says_of_group_and_probe_counts_more():
    probe = {"httpGet": {"path": "/", "port": 9080}}
    own = mesh_registrations([vm(1, WEB, workload={"group": "g", "probe": probe})], backend="auto")
    assert {key: own[0]["endpoints"][0][key] for key in ("group", "probe")} == {"group": "g", "probe": probe}
    (item,) = mesh_registrations([vm(1, {**WEB, "probe": probe})], backend="auto")
    assert item["probe"] == probe
    assert "probe" not in item["endpoints"][0]


@pytest.mark.parametrize("probe", [{"periodSeconds": 1}, "tcp", {"tcpSocket": {}, "exec": {}}])
def test_a_probe_that_asks_nothing_names_the_machine(probe):
    with pytest.raises(
        AnsibleFilterError, match=r"192\.168\.0\.81: the probe .* is not valid\. Give it exactly one of"
    ):
        mesh_registrations([vm(1, WEB, workload={"probe": probe})], backend="auto")


def test_two_selectors_for_one_service_are_refused():
    hosts = [vm(1, {**WEB, "selector": {"app": "a"}}), vm(2, {**WEB, "selector": {"app": "b"}})]
    with pytest.raises(AnsibleFilterError, match="vm2: mesh_vm_services entry 1: selector is .* another VM of the"):
        mesh_registrations(hosts)


def test_hosts_without_services_take_no_part():
    assert mesh_registrations([vm(1), {"name": "vm2", "address": None, "services": None}]) == []


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("web", "vm1: mesh_vm_services entry 1: 'web' is not a mapping"),
        ({**WEB, "port": None}, "vm1: mesh_vm_services entry 1: it has no port"),
        ({**WEB, "protocol": ""}, "it has no protocol"),
        ({**WEB, "name": ""}, "it has no name"),
        ({**WEB, "protocol": "mysql"}, "begins with 'mysql'"),
        ({**WEB, "port_name": "web-http"}, "Write http-web-http"),
        ({**WEB, "port": 99999}, "is not a port number"),
    ],
)
def test_errors_name_the_machine(service, message):
    with pytest.raises(AnsibleFilterError, match=message):
        mesh_registrations([vm(1, service)])


def test_one_port_name_for_two_numbers():
    with pytest.raises(AnsibleFilterError, match="http:9080 and http:9081 exclude each other"):
        mesh_registrations([vm(1, WEB, {**WEB, "port": 9081})])


def test_a_bad_address_names_the_machine():
    with pytest.raises(AnsibleFilterError, match="vm1: 'web1.example.com' is not an IP address"):
        mesh_registrations([{**vm(1, WEB), "address": "web1.example.com"}])
