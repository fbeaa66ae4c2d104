# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line of the preflight report, each from a change to a site that has no findings."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import (
    cluster_findings,
    findings,
    required_access,
    required_objects,
)

SITE = {
    "vip": "192.168.0.62",
    "service_cidr": "10.233.0.0/16",
    "control_plane": "citadel",
    "control_plane_auth": "MUTUAL_TLS",
    "profile": "secure",
    "exposed_services": [],
    "overrides": {},
    "upstream_dns": ["114.114.114.114"],
    "istio_namespace": "istio-system",
    "dns_namespace": "kube-system",
    "cluster_domain": "cluster.local",
    "trust_domain": "cluster.local",
    "sidecar_package": "http://192.168.0.1:8000/istio-sidecar.deb",
    "sidecar_checksum": "sha256:" + "0" * 64,
    "groups": {"director": ["director"], "k8s_nodes": ["k8s-node1"], "vms": ["deb-nginx01"]},
    "supported_os": {"Debian": "11", "Ubuntu": "22.04"},
    "manage_arp": False,
    "mesh_configmap": "istio",
    "pilot": "istio-pilot",
    "client_namespace": "default",
    "kubeconfig": "~/.kube/config",
}


def host(address, **extra):
    facts = {
        "all_ipv4_addresses": [address],
        "architecture": "x86_64",
        "distribution": "Debian",
        "distribution_version": "12.5",
        "interfaces": ["lo", "eth0"],
        "python_version": "3.11.2",
        "service_mgr": "systemd",
        "system": "Linux",
    }
    return {"in_play": True, "reached": True, "address": address, "facts": facts, "modprobe_rc": 0, **extra}


HOSTS = {
    "director": host("192.168.0.61", ip_vs_loaded=True, probe={"interface": "vec0", "held": False, "answered_by": []}),
    "k8s-node1": host("192.168.0.71"),
    "deb-nginx01": host(
        "192.168.0.81",
        is_vm=True,
        services=[{"name": "deb-nginx01", "port": 9080, "protocol": "http"}],
        namespace="default",
        service_account="default",
        package={"exists": True, "error": "", "architecture": "amd64"},
    ),
}
CLUSTER = {"reachable": True, "error": "", "denied": [], "missing": [], "unknown": []}


def check(site=None, hosts=None, cluster=None):
    """The findings after changes: {'key': value} for the site, {'host/part/key': value} for hosts."""
    all_hosts = copy.deepcopy(HOSTS)
    for path, value in (hosts or {}).items():
        *parts, last = path.split("/")
        node = all_hosts
        for part in parts:
            node = node[part]
        node[last] = value
    return findings({**SITE, **(site or {})}, all_hosts, {**CLUSTER, **(cluster or {})})


def test_a_good_site_has_no_findings():
    assert check() == []


def test_a_director_that_holds_the_address_is_fine():
    assert check(hosts={"director/probe/held": True, "director/facts/all_ipv4_addresses": ["192.168.0.62"]}) == []


def test_hosts_outside_of_the_play_are_not_judged():
    assert check(hosts={"k8s-node1": {"address": "192.168.0.71"}}) == []


SITE_LINES = [
    ({"vip": ""}, r"^mesh_vip: not set\. Set it to a free address in the director's subnet"),
    ({"vip": "192.168.0.300"}, r"^mesh_vip: '192\.168\.0\.300' is not a usable IPv4 address\. Set it"),
    ({"vip": "127.0.0.1"}, r"^mesh_vip: '127\.0\.0\.1' is not a usable IPv4 address\. Set it"),
    ({"vip": "10.233.0.9"}, r"^mesh_vip: 10\.233\.0\.9 lies in mesh_service_cidr 10\.233\.0\.0/16.*Choose an address"),
    ({"service_cidr": ""}, r"^mesh_service_cidr: not set\. Set it to the cluster's Service CIDR"),
    ({"service_cidr": "10.233.0.1/16"}, r"^mesh_service_cidr: '10\.233\.0\.1/16' is not an IPv4 network\. Write it as"),
    ({"control_plane": "istiod"}, r"^mesh_control_plane: 'istiod' is not supported by this version, only 'citadel'"),
    ({"control_plane": "x"}, r"^mesh_control_plane: 'x' is not known\. Set it to 'citadel'"),
    ({"profile": "all"}, r"^mesh_exposed_profile: 'all' is not known\. Set it to 'secure' or 'reference'"),
    ({"control_plane_auth": "tls"}, r"^mesh_control_plane_auth: 'tls' is not known\. Set it to 'MUTUAL_TLS' or 'NONE'"),
    ({"overrides": {"nope": {}}}, r"^mesh_exposed_services or mesh_exposed_overrides: .*nope.*Correct the entry"),
    ({"istio_namespace": "Istio"}, r"^mesh_istio_namespace: 'Istio' is not a namespace name\. Use lower-case"),
    ({"dns_namespace": ""}, r"^mesh_dns_namespace: '' is not a namespace name\. Use lower-case"),
    ({"cluster_domain": "a..b"}, r"^mesh_cluster_domain: 'a\.\.b' is not a domain name\. Set it to the cluster's"),
    ({"trust_domain": "a_b"}, r"^mesh_trust_domain: 'a_b' is not a domain name"),
    ({"upstream_dns": "8.8.8.8"}, r"^mesh_upstream_dns: '8\.8\.8\.8' is not a list\. Write a list"),
    ({"upstream_dns": ["dns"]}, r"^mesh_upstream_dns: 'dns' is not an IP address\. Give name servers by address"),
    ({"upstream_dns": ["192.168.0.62"]}, r"^mesh_upstream_dns: 192\.168\.0\.62 is mesh_vip.*Name the servers"),
    ({"sidecar_package": ""}, r"^mesh_sidecar_package: not set\. Set it to the path on the control node, or the URL"),
    ({"sidecar_checksum": "abc"}, r"^mesh_sidecar_checksum: 'abc' is not a checksum\. Write algorithm:value"),
    ({"groups": {"k8s_nodes": ["k8s-node1"]}}, r"^inventory group director: it has no hosts\. Put exactly one host"),
    ({"groups": {"director": ["director"]}}, r"^inventory group k8s_nodes: it has no hosts\. Put the nodes in it"),
    (
        {"groups": {"director": ["director"], "k8s_nodes": ["director"], "vms": []}},
        r"^inventory group director: director is also in k8s_nodes.*Use a machine of its own as director",
    ),
]


@pytest.mark.parametrize(("site", "line"), SITE_LINES)
def test_variables(site, line):
    found = check(site)
    assert len(found) == 1, found
    assert_line(found[0], line)


HOST_LINES = [
    ({"deb-nginx01/address": "web1"}, r"^deb-nginx01: its address 'web1' is not an IPv4 address\. Set ansible_host"),
    ({"deb-nginx01/reached": False}, r"^deb-nginx01: it cannot be reached \(.*\)\. Check ansible_host"),
    ({"k8s-node1/facts/system": "FreeBSD"}, r"^k8s-node1: it runs 'FreeBSD'\. Only Linux hosts are supported"),
    ({"director/facts/service_mgr": "sysvinit"}, r"^director: its service manager is 'sysvinit'\. Only hosts with"),
    ({"deb-nginx01/facts/python_version": "3.8.10"}, r"^deb-nginx01: its Python is 3\.8\.10\. The modules need 3\.9"),
    ({"deb-nginx01/facts/distribution_version": "10"}, r"^deb-nginx01: Debian 10 is not supported\. Use Debian 11 or"),
    ({"deb-nginx01/facts/distribution": "Rocky"}, r"^deb-nginx01: Rocky 12\.5 is not supported\. Use Debian 11 or later"),
    (
        {"director/ip_vs_loaded": False, "director/modprobe_rc": 1, "director/modprobe_error": "FATAL: not found"},
        r"^director: the kernel module ip_vs cannot be loaded \(FATAL: not found\)\. Install the kernel's full module",
    ),
    ({"director/probe": {"interface": "", "answered_by": []}}, r"^mesh_vip: 192\.168\.0\.62 is in no subnet of the director"),
    (
        {"director/probe/answered_by": ["52:54:00:12:34:56"]},
        r"^mesh_vip: 192\.168\.0\.62 is answered by another host, hardware address 52:54:00:12:34:56.*Choose a free address",
    ),
    ({"director/probe": {"msg": "no root"}}, r"^director: it could not be probed whether 192\.168\.0\.62 is free: no root"),
    (
        {"k8s-node1/facts/interfaces": ["kube-ipvs0"], "k8s-node1/arp_ignore": "0", "k8s-node1/arp_announce": "0"},
        r"^k8s-node1: kube-proxy runs in ipvs mode without strictARP \(arp_ignore 0, arp_announce 0\).*Set ipvs\.strictARP",
    ),
    ({"deb-nginx01/services": []}, r"^deb-nginx01: mesh_vm_services is not set\. List what the VM offers"),
    (
        {"deb-nginx01/services": [{"name": "Web_1", "port": 1, "protocol": "http"}]},
        r"^deb-nginx01: mesh_vm_services: Service default/Web_1: 'Web_1' is not a valid Service name\. Use lower-case",
    ),
    ({"deb-nginx01/services": [{"name": "x"}]}, r"^deb-nginx01: mesh_vm_services entry 1: it has no port\. Add one"),
    (
        {"deb-nginx01/services": [{"name": "x", "port": 1, "protocol": "mysql"}]},
        r"^deb-nginx01: mesh_vm_services entry 1: port name 'mysql' begins with 'mysql'.*Begin the name with one of",
    ),
    (
        {"deb-nginx01/facts/all_ipv4_addresses": ["10.0.0.5"]},
        r"^deb-nginx01: it does not have the address 192\.168\.0\.81 \(it has 10\.0\.0\.5\).*Set mesh_vm_address",
    ),
    (
        {"deb-nginx01/address": "127.0.0.1", "deb-nginx01/facts/all_ipv4_addresses": ["127.0.0.1"]},
        r"^deb-nginx01: mesh_vm_address: 127\.0\.0\.1 is a loopback address\. Give the address",
    ),
    (
        {"deb-nginx01/package": {"exists": False, "error": "the server answers 404 Not Found"}},
        r"^mesh_sidecar_package: http://\S+ cannot be read from deb-nginx01 \(the server answers 404 Not Found\)\. Correct",
    ),
    (
        {"deb-nginx01/package": {"exists": True, "error": "it is not a Debian package"}},
        r"^mesh_sidecar_package: http://\S+ is not a usable package: it is not a Debian package\. Give the",
    ),
    ({"deb-nginx01/package": {"msg": "boom"}}, r"^mesh_sidecar_package: http://\S+ could not be looked at from deb-nginx01: boom"),
    (
        {"deb-nginx01/package/architecture": "arm64"},
        r"^mesh_sidecar_package: http://\S+ is for the architecture arm64, but deb-nginx01 is amd64\. Set",
    ),
]


@pytest.mark.parametrize(("hosts", "line"), HOST_LINES)
def test_hosts(hosts, line):
    found = check(hosts=hosts)
    assert len(found) == 1, found
    assert_line(found[0], line)


@pytest.mark.parametrize(("name", "group"), [("director", "director"), ("k8s-node1", "k8s_nodes"), ("deb-nginx01", "vms")])
def test_an_address_of_a_host_is_not_free(name, group):
    found = check({"vip": HOSTS[name]["address"]})
    assert found == [
        f"mesh_vip: {HOSTS[name]['address']} is the address of {name} in group {group}. Choose an address that no host "
        "has; the director takes it in addition to its own."
    ]


def test_a_director_with_a_node_s_address_is_a_node():
    found = check(hosts={"k8s-node1/address": "192.168.0.61", "k8s-node1/facts/all_ipv4_addresses": ["192.168.0.61"]})
    assert len(found) == 1
    assert_line(found[0], r"^inventory group director: director and k8s-node1 have the same address 192\.168\.0\.61")


def test_strict_arp_or_leave_to_set_it_are_fine():
    ipvs = {"k8s-node1/facts/interfaces": ["kube-ipvs0"]}
    assert check(hosts={**ipvs, "k8s-node1/arp_ignore": "1", "k8s-node1/arp_announce": "2"}) == []
    assert check({"manage_arp": True}, ipvs) == []


CLUSTER_LINES = [
    (
        {"reachable": False, "error": "Cannot read: connection refused."},
        r"^mesh_kubeconfig: ~/\.kube/config: Cannot read: connection refused\.",
    ),
    (
        {"denied": [{"resource": "configmaps", "name": "istio", "verbs": ["update"], "namespace": "istio-system"}]},
        r"^mesh_kubeconfig: its user may not update configmaps istio in namespace istio-system\. Grant it; docs/rbac\.yaml",
    ),
    (
        {"denied": [{"resource": "pods", "subresource": "exec", "verbs": ["get", "create"], "namespace": "default"}]},
        r"^mesh_kubeconfig: its user may not get, create pods/exec in namespace default\. Grant it",
    ),
    (
        {"denied": [{"resource": "deployments", "group": "apps", "verbs": ["patch"]}]},
        r"^mesh_kubeconfig: its user may not patch deployments of API group apps in all namespaces\. Grant it",
    ),
    (
        {"missing": [{"kind": "Secret", "name": "istio.web", "namespace": "shop"}]},
        r"^Secret istio\.web in namespace shop: it does not exist\. Create the ServiceAccount web in that namespace",
    ),
    (
        {"unknown": [{"kind": "Secret", "name": "istio.web", "namespace": "shop"}]},
        r"^Secret istio\.web in namespace shop: it may be missing, .*If it is missing: Create the ServiceAccount web",
    ),
    (
        {"missing": [{"kind": "ConfigMap", "name": "istio", "namespace": "x"}]},
        r"^ConfigMap istio in namespace x: it does not exist\. Correct mesh_istio_namespace",
    ),
    (
        {"missing": [{"kind": "Deployment", "name": "istio-pilot", "namespace": "x"}]},
        r"^Deployment istio-pilot in namespace x: it does not exist\. Correct mesh_istio_namespace, or set mesh_policy_pilot",
    ),
]


@pytest.mark.parametrize(("cluster", "line"), CLUSTER_LINES)
def test_cluster(cluster, line):
    found = check(cluster=cluster)
    assert len(found) == 1, found
    assert_line(found[0], line)


def test_a_module_that_failed_is_reported():
    assert cluster_findings(SITE, {"msg": "no library"}) == ["control node: the Kubernetes API cannot be asked: no library"]
    assert cluster_findings(SITE, {}) == []


def test_all_findings_come_together_and_each_once():
    found = check(
        {"vip": "", "service_cidr": "", "control_plane": "istiod"},
        {"deb-nginx01/package/architecture": "arm64", "director/modprobe_rc": 1, "director/ip_vs_loaded": False},
        {"missing": [{"kind": "Secret", "name": "istio.default", "namespace": "default"}] * 2},
    )
    assert len(found) == 6
    assert all(text.count(". ") >= 1 for text in found)


def test_the_rights_asked_for_are_those_of_the_documented_role(root: Path):
    granted = set()
    bound = yaml.safe_load((root / "docs/rbac.yaml").read_text())["items"]
    for item in bound:
        for rule in item.get("rules", []):
            for resource in rule["resources"]:
                for verb in rule["verbs"]:
                    for name in rule.get("resourceNames", [""]):
                        granted.add((item["metadata"].get("namespace", ""), rule["apiGroups"][0], resource, name, verb))
    asked = {
        (item["namespace"], item["group"], item["resource"] + ("/exec" if item.get("subresource") else ""), item["name"], verb)
        for item in required_access(SITE, HOSTS)
        for verb in item["verbs"]
    }
    uncovered = {right for right in asked if right not in granted and ("", right[1], right[2], "", right[4]) not in granted}
    assert uncovered == set()


def test_questions_follow_the_vms():
    hosts = copy.deepcopy(HOSTS)
    hosts["deb-nginx01"]["services"].append({"name": "y", "port": 1, "protocol": "tcp", "namespace": "shop"})
    hosts["deb-nginx01"]["service_account"] = "web"
    access = required_access(SITE, hosts)
    registered = {item["namespace"] for item in access if item["resource"] == "endpoints"}
    assert registered == {"default", "shop"}
    assert {"kind": "Secret", "namespace": "default", "name": "istio.web"} in required_objects(SITE, hosts)
    assert all(item["name"] == "istio.web" for item in access if item["resource"] == "secrets")


def assert_line(text: str, pattern: str) -> None:
    assert re.search(pattern, text), text
