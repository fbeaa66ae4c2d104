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
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.cluster import (
    cluster_findings,
    required_access,
    required_exposure,
    required_objects,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules

VARIABLES = {
    "mesh_control_plane": "citadel",
    "mesh_vip": "192.168.0.62",
    "mesh_service_cidr": "10.233.0.0/16",
    "mesh_sidecar_package": "http://192.168.0.1:8000/istio-sidecar.deb",
    "mesh_kubeconfig": "~/.kube/config",
}
HOSTS = {
    "director": {"ansible_host": "192.168.0.61"},
    "k8s-node1": {"ansible_host": "192.168.0.71"},
    "deb-nginx01": {
        "ansible_host": "192.168.0.81",
        "mesh_vm_services": [{"name": "deb-nginx01", "port": 9080, "protocol": "http"}],
        "mesh_sidecar_package": VARIABLES["mesh_sidecar_package"],
    },
}
GROUPS = {"director": ["director"], "k8s_nodes": ["k8s-node1"], "vms": ["deb-nginx01"]}
RULES = Rules(supported_os={"Debian": "11", "Ubuntu": "22.04"})


def look(address, **extra):
    system = {
        "addresses": [address],
        "machine": "x86_64",
        "distribution": "Debian",
        "distribution_version": "12.5",
        "interfaces": ["lo", "eth0"],
        "python_version": "3.11.2",
        "service_mgr": "systemd",
        "system": "Linux",
    }
    return {"system": system, **extra}


PROBE = {
    "interface": "vec0",
    "held": False,
    "answered_by": [],
    "error": "",
    "hardware": "02:00:00:00:00:61",
    "adverts": [],
}
LOOKS = {
    "director": look("192.168.0.61", ip_vs={"usable": True, "error": ""}, probe=PROBE),
    "k8s-node1": look("192.168.0.71", arp={"arp_ignore": 0, "arp_announce": 0}),
    "deb-nginx01": look(
        "192.168.0.81",
        installed="1.0.5",
        package={
            "source": VARIABLES["mesh_sidecar_package"],
            "exists": True,
            "error": "",
            "package": "istio-sidecar",
            "architecture": "amd64",
            "version": "1.0.5",
        },
    ),
}
CLUSTER = {"reachable": True, "error": "", "denied": [], "missing": [], "unknown": []}


def changed(value, changes):
    """A copy with other values at these places, such as {'host/part/key': value}."""
    copied = copy.deepcopy(value)
    for path, new in (changes or {}).items():
        *parts, last = path.split("/")
        node = copied
        for part in parts:
            node = node[part]
        node[last] = new
    return copied


def parsed(variables=None, hosts=None, groups=None):
    own = changed(HOSTS, hosts)
    return sites.parse({**VARIABLES, **(variables or {})}.get, groups or GROUPS, lambda name: own[name].get)


def check(looks=None, hosts=None, cluster=None, variables=None, groups=None, rules=RULES):
    """The findings after changes to what was seen, and to the inventory."""
    return findings(parsed(variables, hosts, groups), changed(LOOKS, looks), {**CLUSTER, **(cluster or {})}, rules)


def test_a_good_site_has_no_findings():
    assert check() == []


@pytest.mark.parametrize("installed", ["", "1.0.4"])
def test_a_newer_package_is_fine(installed):
    assert check({"deb-nginx01/installed": installed}) == []


def test_a_director_that_holds_the_address_is_fine():
    assert check({"director/probe/held": True, "director/system/addresses": ["192.168.0.62"]}) == []


def test_hosts_outside_of_the_play_are_not_judged():
    assert findings(parsed(), {}, CLUSTER, RULES) == []


def test_what_is_wrong_with_the_variables_comes_first():
    found = check({"deb-nginx01/system/distribution": "Rocky"}, variables={"mesh_vip": "", "mesh_control_plane": "x"})
    assert [line.split(":")[0] for line in found] == ["mesh_control_plane", "mesh_vip", "deb-nginx01"]


GROUP_LINES = [
    ({"k8s_nodes": ["k8s-node1"]}, r"^inventory group director: it has no hosts\. Put one host in it, or several"),
    ({"director": ["director"]}, r"^inventory group k8s_nodes: it has no hosts\. Put the nodes in it"),
    (
        {"director": ["director"], "k8s_nodes": ["director"]},
        r"^inventory group director: director is also in k8s_nodes.*Use a machine of its own as director",
    ),
]


@pytest.mark.parametrize(("groups", "line"), GROUP_LINES)
def test_groups(groups, line):
    found = findings(parsed(groups=groups), {}, CLUSTER, RULES)
    assert len(found) == 1, found
    assert_line(found[0], line)


INVENTORY_LINES = [
    (
        {"deb-nginx01/ansible_host": "web1"},
        r"^deb-nginx01: its address 'web1' is not an IPv4 address\. Set ansible_host",
    ),
    (
        {"deb-nginx01/ansible_host": "fd00::81"},
        r"^deb-nginx01: its address 'fd00::81' is an IPv6 address, and the site is one of IPv4.* set mesh_vm_address",
    ),
    ({"deb-nginx01/mesh_vm_services": []}, r"^deb-nginx01: mesh_vm_services is not set\. List what the VM offers"),
    (
        {"deb-nginx01/mesh_vm_services": [{"name": "Web_1", "port": 1, "protocol": "http"}]},
        r"^deb-nginx01: mesh_vm_services entry 1: 'Web_1' is not a valid Service name\. Use lower-case",
    ),
    (
        {"deb-nginx01/mesh_vm_services": [{"name": "x"}]},
        r"^deb-nginx01: mesh_vm_services entry 1: it has no port\. Add one",
    ),
    (
        {"deb-nginx01/mesh_vm_services": [{"name": "x", "port": 1, "protocol": "mysql"}]},
        r"^deb-nginx01: mesh_vm_services entry 1: port name 'mysql' begins with 'mysql'.*Begin the name with one of",
    ),
    (
        {"deb-nginx01/mesh_vm_address": "192.168.9.9"},
        r"^deb-nginx01: it does not have the address 192\.168\.9\.9 \(it has 192\.168\.0\.81\).*Set mesh_vm_address",
    ),
]


@pytest.mark.parametrize(("hosts", "line"), INVENTORY_LINES)
def test_inventory(hosts, line):
    found = check(hosts=hosts)
    assert len(found) == 1, found
    assert_line(found[0], line)


HOST_LINES = [
    ({"deb-nginx01": {}}, r"^deb-nginx01: it cannot be reached \(no reason given\)\. Check ansible_host"),
    (
        {"deb-nginx01": {"unreachable": True, "msg": "No route"}},
        r"^deb-nginx01: it cannot be reached \(No route\)\. Check",
    ),
    (
        {"deb-nginx01": {"failed": True, "msg": "no python"}},
        r"^deb-nginx01: it could not be looked at \(no python\)\. The user must become root",
    ),
    (
        {"deb-nginx01/clock": 61.2},
        r"^deb-nginx01: its clock is 61 s ahead of the control node's.*timedatectl set-ntp true",
    ),
    ({"k8s-node1/clock": -3600.0}, r"^k8s-node1: its clock is 3600 s behind the control node's.*Have both follow"),
    ({"k8s-node1/system/system": "FreeBSD"}, r"^k8s-node1: it runs 'FreeBSD'\. Only Linux hosts are supported"),
    ({"director/system/service_mgr": "sysvinit"}, r"^director: its service manager is 'sysvinit'\. Only hosts with"),
    ({"deb-nginx01/system/python_version": "3.8.10"}, r"^deb-nginx01: its Python is 3\.8\.10\. The modules need 3\.9"),
    ({"deb-nginx01/system/distribution_version": "10"}, r"^deb-nginx01: Debian 10 is not supported\. Use Debian 11 or"),
    (
        {"deb-nginx01/system/distribution": "Rocky"},
        r"^deb-nginx01: Rocky 12\.5 is not supported\. Use Debian 11 or later",
    ),
    (
        {"director/ip_vs": {"usable": False, "error": "FATAL: not found"}},
        r"^director: the kernel module ip_vs cannot be loaded \(FATAL: not found\)\. Install the kernel's full module",
    ),
    ({"director/probe": {**PROBE, "interface": ""}}, r"^mesh_vip: 192\.168\.0\.62 is in no subnet of the director"),
    (
        {"director/probe/answered_by": ["52:54:00:12:34:56"]},
        (
            r"^mesh_vip: 192\.168\.0\.62 is answered by another host, hardware address "
            r"52:54:00:12:34:56.*Choose a free address"
        ),
    ),
    (
        {"director/probe/error": "no root"},
        r"^director: it could not be probed whether 192\.168\.0\.62 is free: no root",
    ),
    (
        {"k8s-node1/system/interfaces": ["kube-ipvs0"]},
        (
            r"^k8s-node1: kube-proxy runs in ipvs mode without strictARP \(arp_ignore 0, "
            r"arp_announce 0\).*Set ipvs\.strictARP"
        ),
    ),
    (
        {"deb-nginx01/package": {"source": "/x.deb", "exists": False, "error": "the server answers 404 Not Found"}},
        (
            r"^mesh_sidecar_package: /x\.deb cannot be read from deb-nginx01 \(the server answers 404 Not Found\)\. "
            r"Correct"
        ),
    ),
    (
        {"deb-nginx01/package": {"source": "/x.deb", "exists": False, "error": "gone", "read_on": "the control node"}},
        r"^mesh_sidecar_package: /x\.deb cannot be read from the control node \(gone\)\. Correct",
    ),
    (
        {"deb-nginx01/package": {"source": "/x.deb", "exists": True, "error": "it is not a Debian package"}},
        r"^mesh_sidecar_package: /x\.deb is not a usable package: it is not a Debian package\. Give the",
    ),
    (
        {"deb-nginx01/package/architecture": "arm64"},
        (
            r"^deb-nginx01: mesh_sidecar_package: http://\S+ is the package istio-sidecar for arm64; this host needs "
            r"istio-sidecar for amd64\. Set mesh_sidecar_package"
        ),
    ),
    (
        {"deb-nginx01/installed": "1.0.10"},
        (
            r"^deb-nginx01: mesh_sidecar_package: http://\S+ is istio-sidecar 1\.0\.5, older than 1\.0\.10, which is "
            r"installed\. Set mesh_sidecar_package .*, or istio_sidecar_allow_downgrade to true\.$"
        ),
    ),
]


@pytest.mark.parametrize(("looks", "line"), HOST_LINES)
def test_hosts(looks, line):
    found = check(looks)
    assert len(found) == 1, found
    assert_line(found[0], line)


@pytest.mark.parametrize(
    ("name", "group"), [("director", "director"), ("k8s-node1", "k8s_nodes"), ("deb-nginx01", "vms")]
)
def test_an_address_of_a_host_is_not_free(name, group):
    address = HOSTS[name]["ansible_host"]
    assert check(variables={"mesh_vip": address}) == [
        (
            f"mesh_vip: {address} is the address of {name} in group {group}. Choose an address that no host has; "
            "the director takes it in addition to its own."
        )
    ]


def test_a_director_with_a_node_s_address_is_a_node():
    found = check(hosts={"k8s-node1/ansible_host": "192.168.0.61"})
    assert len(found) == 1
    assert_line(found[0], r"^inventory group director: director and k8s-node1 have the same address 192\.168\.0\.61")


def test_a_loopback_address_is_no_address_of_a_vm():
    found = check({"deb-nginx01/system/addresses": ["127.0.0.1"]}, {"deb-nginx01/mesh_vm_address": "127.0.0.1"})
    assert len(found) == 1
    assert_line(found[0], r"^deb-nginx01: mesh_vm_address: 127\.0\.0\.1 is a loopback address\. Give the address")


ORDINARY = {"user": "ops", "root": False}


def test_without_root_one_line_names_all_hosts():
    """And a director that was looked at without it is not judged for what it does not say."""
    looks = {
        "director": look("192.168.0.61", **ORDINARY),
        "k8s-node1": {**LOOKS["k8s-node1"], "user": "root", "root": True},
        "deb-nginx01": {**LOOKS["deb-nginx01"], **ORDINARY},
    }
    (line,) = check(looks)
    assert_line(line, r"^ansible_become: .* user ops on director, deb-nginx01\. Set ansible_become: true for")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Missing sudo password", r"sudo asks for a password, and none was given, on director, deb-nginx01\. Run with"),
        ("Task failed: Incorrect sudo password", r"sudo refuses the password that was given, on director, deb-nginx01"),
    ],
)
def test_a_password_that_is_missing_or_wrong_is_said_once(said, line):
    (found,) = check({name: {"failed": True, "msg": said} for name in ("director", "deb-nginx01")})
    assert_line(found, rf"^ansible_become_password: {line}.*--ask-become-pass")


def test_strict_arp_or_leave_to_set_it_are_fine():
    ipvs = {"k8s-node1/system/interfaces": ["kube-ipvs0"]}
    assert check({**ipvs, "k8s-node1/arp": {"arp_ignore": 1, "arp_announce": 2}}) == []
    assert check(ipvs, rules=RULES._replace(manage_arp=True)) == []


def test_a_minute_is_no_matter_and_a_director_has_no_certificates():
    assert check({"deb-nginx01/clock": 59.0, "k8s-node1/clock": -60.0, "director/clock": 900.0}) == []


@pytest.mark.parametrize(
    ("backend", "version", "heeded", "said"),
    [
        ("external_ips", "v1.36.3", False, True),
        ("external_ips", "v1.36.3", True, False),
        ("external_ips", "v1.20.2", None, False),
        ("load_balancer", "v1.36.3", False, False),
        ("auto", "v1.36.3", False, False),
        ("auto", "v1.29.0", False, True),
        # Nothing can be told of an API that does not answer.
        ("auto", "", False, False),
    ],
)
def test_a_kube_proxy_that_ignores_external_addresses(backend, version, heeded, said):
    variables = {"mesh_exposure_backend": backend}
    found = check({"k8s-node1/external_ips": heeded}, cluster={"version": version}, variables=variables)
    assert len(found) == said, found
    if said:
        assert_line(found[0], r"^k8s-node1: kube-proxy ignores .*AllowServiceExternalIPs.*Set mesh_exposure_backend")


CLAIM = {"namespace": "istio-system", "name": "istio-pilot-lb", "addresses": ["198.51.100.7"], "managers": ["balancer"]}


def test_another_controller_that_claims_a_service():
    variables = {"mesh_exposure_backend": "load_balancer"}
    (line,) = check(cluster={"claimed": [CLAIM]}, variables=variables)
    assert_line(
        line,
        r"^Service istio-pilot-lb in namespace istio-system: balancer says .* load balancer, at 198.51.100.7\."
        r".*"
        r"own loadBalancerClass only, then: kubectl -n istio-system patch service istio-pilot-lb --subresource=status",
    )
    # What is not a load balancer any more is nobody's.
    assert check(cluster={"claimed": [CLAIM]}) == []


def test_services_that_admission_refuses():
    (line,) = check(cluster={"refused": "It is denied. Allow it.", "version": "v1.36.3"})
    assert_line(
        line, r"^mesh_exposure_backend: with external_ips, .* It is denied\. Allow it\. Or set mesh_exposure_backend"
    )
    (line,) = check(cluster={"refused": "It is denied. Allow it.", "version": "v1.20.2"})
    assert_line(line, r"Allow it\.$")


CLUSTER_LINES = [
    (
        {"reachable": False, "error": "Cannot read: connection refused."},
        r"^mesh_kubeconfig: ~/\.kube/config: Cannot read: connection refused\.",
    ),
    (
        {"denied": [{"resource": "configmaps", "name": "istio", "verbs": ["update"], "namespace": "istio-system"}]},
        (
            r"^mesh_kubeconfig: its user may not update configmaps istio in namespace istio-system\. Grant it; "
            r"docs/rbac\.yaml"
        ),
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
        (
            r"^Deployment istio-pilot in namespace x: it does not exist\. "
            r"Correct mesh_istio_namespace, or set mesh_policy_pilot"
        ),
    ),
]


@pytest.mark.parametrize(("cluster", "line"), CLUSTER_LINES)
def test_cluster(cluster, line):
    found = check(cluster=cluster)
    assert len(found) == 1, found
    assert_line(found[0], line)


def test_a_module_that_failed_is_reported():
    assert cluster_findings(parsed(), {"msg": "no library"}) == [
        "control node: the Kubernetes API cannot be asked: no library"
    ]
    assert cluster_findings(parsed(), {}) == []


def test_all_findings_come_together_and_each_once():
    found = check(
        {"deb-nginx01/package/architecture": "arm64", "director/ip_vs/usable": False},
        cluster={"missing": [{"kind": "Secret", "name": "istio.default", "namespace": "default"}] * 2},
        variables={"mesh_vip": "", "mesh_service_cidr": "x", "mesh_control_plane": "x"},
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
        (
            item["namespace"],
            item["group"],
            item["resource"] + (f"/{item['subresource']}" if item.get("subresource") else ""),
            item["name"],
            verb,
        )
        for item in required_access(parsed({"mesh_exposure_backend": "load_balancer"}), "istio", "istio-pilot")
        for verb in item["verbs"]
    }
    uncovered = {
        right for right in asked if right not in granted and ("", right[1], right[2], "", right[4]) not in granted
    }
    assert uncovered == set()


def test_what_is_to_be_exposed_is_tried_where_it_is_known():
    exposed = required_exposure(parsed(), adopt=True)
    assert (exposed["vip"], exposed["backend"], exposed["adopt"]) == ("192.168.0.62", "external_ips", True)
    assert "istio-pilot-lb" in {entry["name"] for entry in exposed["services"]}
    for name, value in (("mesh_vip", "x"), ("mesh_control_plane", "x"), ("mesh_exposed_overrides", {"x": {}})):
        assert required_exposure(parsed({name: value}), adopt=False) is None


def test_questions_follow_the_vms():
    services = [
        *HOSTS["deb-nginx01"]["mesh_vm_services"],
        {"name": "y", "port": 1, "protocol": "tcp", "namespace": "shop"},
    ]
    site = parsed(hosts={"deb-nginx01/mesh_vm_services": services, "deb-nginx01/mesh_service_account": "web"})
    access = required_access(site, "istio-1", "pilot")
    registered = {item["namespace"] for item in access if item["resource"] == "endpoints"}
    assert registered == {"default", "shop"}
    assert required_objects(site, "istio-1", "pilot") == [
        {"kind": "Secret", "namespace": "default", "name": "istio.web"},
        {"kind": "ConfigMap", "namespace": "istio-system", "name": "istio-1"},
        {"kind": "Deployment", "namespace": "istio-system", "name": "pilot"},
    ]
    assert all(item["name"] == "istio.web" for item in access if item["resource"] == "secrets")


def assert_line(text: str, pattern: str) -> None:
    assert re.search(pattern, text), text
