# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows as verify
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.citadel import CITADEL

VIP = "192.168.0.62"
SERVICES = exposure.exposed_services("reference")
FQDN = "deb-nginx01.default.svc.cluster.local"
NAT = """*nat
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 9080 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -m owner --uid-owner 998 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 998 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 0 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 0 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -d 10.233.0.0/16 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""
UNIT = {"ActiveState": "active", "UnitFileState": "enabled"}
WANTED = {
    "vip": VIP,
    "address": "192.168.0.81",
    "hostname": "deb-nginx01",
    "kubedns": [f"server=/svc.cluster.local/{VIP}", f"address=/istio-pilot/{VIP}"],
    "cluster_env": {"ISTIO_SERVICE_CIDR": "10.233.0.0/16", "ISTIO_CP_AUTH": "MUTUAL_TLS"},
    "names": {"istio-pilot": VIP, "istio-pilot.istio-system.svc.cluster.local": "10.233.1.2"},
    "owners": {"/etc/certs/key.pem": "istio-proxy"},
    "service_cidr": "10.233.0.0/16",
    "inbound_ports": "9080",
    "services": [{"name": "deb-nginx01", "namespace": "default", "port": 9080}],
    "cluster_domain": "cluster.local",
}
SEEN = {
    "certs": {"action": "keep", "identity": "spiffe://cluster.local/ns/default/sa/default", "not_after": "2027-01-01"},
    "kubedns": f"# a comment\nserver=/svc.cluster.local/{VIP}\naddress=/istio-pilot/{VIP}\n",
    "cluster_env": "ISTIO_SERVICE_CIDR=10.233.0.0/16\nISTIO_CP_AUTH='MUTUAL_TLS'\n",
    "resolv_conf": "search x\nnameserver 127.0.0.1\nnameserver 114.114.114.114\n",
    "hosts": "127.0.0.1 localhost\n192.168.0.81 deb-nginx01 # us\n",
    "lookups": f"istio-pilot has address {VIP}\nistio-pilot.istio-system.svc.cluster.local has address 10.233.1.2\n",
    "package": "ii  istio-sidecar 1.0.5",
    "owners": {"/etc/certs/key.pem": "istio-proxy"},
    "units": dict.fromkeys(("dnsmasq.service", "istio.service", "istio-auth-node-agent.service"), UNIT),
    "agent_log": "info CSR is approved successfully. Will renew cert in 1079h59m51s\n",
    "nat": NAT,
    "uid": "998",
    "gid": "998",
    "processes": "su -s /bin/bash -c exec /usr/local/bin/node_agent --env onprem istio-proxy\n"
    "/usr/bin/python3 /usr/local/bin/node_agent --env onprem\n"
    "su -s /bin/bash -c exec pilot-agent proxy istio-proxy\n"
    "/usr/bin/python3 /usr/local/bin/pilot-agent proxy --serviceCluster rawvm\n"
    "/usr/local/bin/envoy -c /etc/istio/proxy/envoy-rev0.json --restart-epoch 0\n",
    "sidecar_env": "# comment\nISTIO_INBOUND_PORTS=9080\n",
    "envoy": {
        "clusters": [{"name": f"outbound|9080||{FQDN}"}, {"name": f"inbound|9080||{FQDN}"}],
        "listeners": [{"name": "192.168.0.81_9080"}],
        "policy_checks": [],
    },
}
VM_ROWS = ["R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R16", "R17"]


def judged(seen: dict, wanted: dict | None = None) -> dict[str, verify.Row]:
    return {row.row: row for row in verify.vm_rows(wanted or WANTED, seen, "deb-nginx01")}


def test_a_healthy_vm_holds_every_row():
    rows = judged(SEEN)
    assert list(rows) == VM_ROWS
    assert [row for row in rows.values() if not row.ok] == []


@pytest.mark.parametrize(
    ("key", "value", "row", "text"),
    [
        ("certs", {"action": "deliver", "reason": "expired"}, "R6", "expired"),
        ("certs", {"msg": "Secret istio.default does not exist"}, "R6", "istio.default does not exist"),
        ("kubedns", "address=/istio-pilot/10.0.0.1\n", "R7", f"lacks server=/svc.cluster.local/{VIP}"),
        ("cluster_env", "ISTIO_CP_AUTH=NONE\n", "R8", "ISTIO_CP_AUTH is NONE, should be MUTUAL_TLS"),
        ("resolv_conf", "nameserver 8.8.8.8\nnameserver 127.0.0.1\n", "R9", "8.8.8.8"),
        ("hosts", "127.0.1.1 deb-nginx01\n", "R9", "does not map 192.168.0.81"),
        ("lookups", "Host istio-pilot not found: 3(NXDOMAIN)\n", "R10", "istio-pilot answers nothing"),
        ("lookups", f"istio-pilot.example.com has address {VIP}\n", "R10", "istio-pilot answers nothing"),
        ("lookups", "istio-pilot has address 10.0.0.1\n", "R10", f"istio-pilot answers 10.0.0.1, should be {VIP}"),
        ("package", "", "R11", "not installed"),
        ("owners", {"/etc/certs/key.pem": "root"}, "R11", "belongs to root"),
        ("agent_log", "error: CSR rejected", "R12", "no approved"),
        ("nat", NAT.replace("--gid-owner 998", "--gid-owner 5"), "R13", "group 998"),
        ("nat", NAT.replace("10.233.0.0/16", "10.0.0.0/8"), "R13", "10.233.0.0/16"),
        ("nat", NAT.replace("15001", "15002"), "R13", "15001"),
        ("processes", "/usr/bin/python3 /usr/local/bin/pilot-agent proxy\n", "R13", "no process envoy"),
        ("sidecar_env", "#ISTIO_INBOUND_PORTS=9080\n", "R14", "should be 9080"),
        ("nat", NAT.replace("--dport 9080", "--dport 80"), "R14", "9080 is not captured"),
        ("envoy", {"clusters": [], "listeners": []}, "R16", f"no cluster outbound|9080||{FQDN}"),
        ("envoy", {"msg": "connection refused"}, "R16", "connection refused"),
        ("envoy", {"msg": "connection refused"}, "R17", "could not be read"),
    ],
)
def test_each_defect_fails_its_row(key, value, row, text):
    rows = judged({**SEEN, key: value})
    assert not rows[row].ok
    assert text in rows[row].detail


@pytest.mark.parametrize(
    ("unit", "row"), [("dnsmasq.service", "R9"), ("istio-auth-node-agent.service", "R12"), ("istio.service", "R13")]
)
def test_a_dead_unit_fails_its_row(unit, row):
    seen = {**SEEN, "units": {**SEEN["units"], unit: {"ActiveState": "failed", "UnitFileState": "enabled"}}}
    assert unit in judged(seen)[row].detail
    assert not judged(seen)[row].ok


ENDPOINT = {"address": "10.244.1.5", "port": 9091, "healthy": True, "connections": 0, "failed_connections": 0}


def test_a_policy_filter_that_fails_closed_is_explained():
    check = {
        "cluster": "outbound|9091||istio-policy.istio-system.svc.cluster.local",
        "filter": "mixer",
        "listener": "192.168.0.81_9080",
        "fail_mode": "closed",
    }
    check["endpoints"] = [{**ENDPOINT, "reachable": False}]
    seen = {**SEEN, "envoy": {**SEEN["envoy"], "policy_checks": [check]}}
    row = judged(seen)["R17"]
    assert not row.ok
    for word in (
        check["cluster"],
        "10.244.1.5:9091",
        "unreachable from deb-nginx01",
        "fails closed",
        "mesh_policy",
        "disablePolicyChecks: true",
    ):
        assert word in row.detail
    for harmless in ({"fail_mode": "open"}, {"endpoints": [{**ENDPOINT, "reachable": True}]}):
        assert judged({**SEEN, "envoy": {**SEEN["envoy"], "policy_checks": [{**check, **harmless}]}})["R17"].ok
    # Reached, but Envoy sends nothing to an endpoint that its health checks gave up.
    unhealthy = {"endpoints": [{**ENDPOINT, "reachable": True, "healthy": False}]}
    assert not judged({**SEEN, "envoy": {**SEEN["envoy"], "policy_checks": [{**check, **unhealthy}]}})["R17"].ok


def test_exposed_services_are_compared_field_by_field():
    wanted = exposure.exposure_manifests(SERVICES, VIP)
    seen = copy.deepcopy(wanted)
    rows = verify.exposure_rows({"manifests": wanted, "rows": CITADEL.service_rows}, seen, "cluster")
    assert sorted(row.row for row in rows) == ["R1", "R2", "R3", "R4"]
    assert all(row.ok for row in rows)
    seen[0]["spec"]["externalIPs"] = ["10.9.9.9"]
    seen[1]["spec"]["ports"].pop()
    rows = verify.exposure_rows({"manifests": wanted, "rows": CITADEL.service_rows}, seen[:3], "cluster")
    assert [row.ok for row in rows] == [False, False, True, False]
    assert "10.9.9.9" in rows[0].detail
    assert "does not exist" in rows[3].detail


def test_a_service_of_the_user_s_own_has_a_row_of_its_name():
    wanted = exposure.exposure_manifests(SERVICES, VIP)
    own = copy.deepcopy(wanted[0])
    own["metadata"]["name"] = "vault"
    rows = verify.exposure_rows({"manifests": [own, *wanted], "rows": CITADEL.service_rows}, [*wanted], "cluster")
    assert [row.row for row in rows][0] == "vault"
    assert "does not exist" in rows[0].detail
    lines = verify.table([row._asdict() for row in rows])
    assert [line.split()[1] for line in lines] == ["R1", "R2", "R3", "R4", "vault"]
    assert "vault is exposed on the VIP" in lines[-1]


def test_director_row():
    wanted = {"vip": VIP, "unit": "mesh-director.service", "services": [{"real_servers": [1, 2]}], "drained": []}
    seen = {"table": {"changed": False}, "addresses": [VIP], "unit": UNIT}
    assert verify.director_rows(wanted, seen, "director")[0].ok
    assert (
        "out of service: 192.0.2.72"
        in verify.director_rows({**wanted, "drained": ["192.0.2.72"]}, seen, "director")[0].detail
    )
    for key, value in (("table", {"changed": True, "operations": ["-A -t x"]}), ("addresses", []), ("unit", {})):
        assert not verify.director_rows(wanted, {**seen, key: value}, "director")[0].ok


SERVICE = {
    "metadata": {
        "name": "deb-nginx01",
        "namespace": "default",
        "annotations": {"alpha.istio.io/kubernetes-serviceaccounts": "default"},
    },
    "spec": {"ports": [{"name": "http", "port": 9080}]},
}
ENDPOINTS = {
    "metadata": SERVICE["metadata"],
    "subsets": [{"addresses": [{"ip": "192.168.0.81"}], "ports": [{"port": 9080}]}],
}
PORT = {"name": "http", "port": 9080}
VM = {"host": "deb-nginx01", "address": "192.168.0.81", "service_account": "default", "ports": [PORT]}
REGISTRATION = {"name": "deb-nginx01", "namespace": "default", "ports": [PORT], "endpoints": [VM]}


def test_registration():
    assert verify.registration_problems(REGISTRATION, VM, SERVICE, ENDPOINTS) == []
    assert "Service default/deb-nginx01 does not exist" in verify.registration_problems(
        REGISTRATION, VM, None, ENDPOINTS
    )
    twice = {**ENDPOINTS, "subsets": ENDPOINTS["subsets"] * 2}
    assert "2 times" in verify.registration_problems(REGISTRATION, VM, SERVICE, twice)[0]
    selecting = {**SERVICE, "spec": {**SERVICE["spec"], "selector": {"app": "x"}}}
    assert "selector" in verify.registration_problems(REGISTRATION, VM, selecting, ENDPOINTS)[0]
    bare = {**ENDPOINTS, "metadata": {"name": "deb-nginx01", "namespace": "default"}}
    assert "lacks the annotation" in verify.registration_problems(REGISTRATION, VM, SERVICE, bare)[0]


def cluster(**changes):
    seen = {
        "services": [SERVICE],
        "endpoints": [ENDPOINTS],
        "mesh": {"previous": {}},
        "pilot": [
            {
                "metadata": {"name": "istio-pilot", "generation": 2},
                "spec": {"replicas": 1},
                "status": {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1},
            }
        ],
        "requests": [{"item": [REGISTRATION, PORT], "rc": 0, "stdout": "<title>Welcome to nginx!</title>"}],
    }
    wanted = {"registrations": [REGISTRATION], "settings": {"disablePolicyChecks": True}, "expect": "Welcome to nginx!"}
    return {row.row: row for row in verify.cluster_rows(wanted, {**seen, **changes}, "cluster")}


def test_cluster_rows():
    rows = cluster()
    assert list(rows) == ["R15", "R18", "R19"]
    assert all(row.ok for row in rows.values())
    assert "Welcome to nginx!" in rows["R19"].detail
    assert not cluster(endpoints=[])["R15"].ok
    assert (
        "disablePolicyChecks is null, should be true"
        in cluster(mesh={"previous": {"disablePolicyChecks": None}})["R18"].detail
    )
    assert (
        "ConfigMap istio does not exist"
        in cluster(mesh={"failed": True, "msg": "ConfigMap istio does not exist"})["R18"].detail
    )
    assert "no Deployment" in cluster(pilot=[])["R18"].detail
    refused = [
        {
            "item": [REGISTRATION, PORT],
            "rc": 0,
            "stdout": "UNAVAILABLE:upstream connect error or disconnect/reset before headers",
        }
    ]
    assert "UNAVAILABLE" in cluster(requests=refused)["R19"].detail
    assert not cluster(requests=refused)["R19"].ok


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            {"rc": 7, "stdout": "", "stderr": "curl: (7) refused"},
            "gives no answer, curl ended with 7: curl: (7) refused",
        ),
        ({"failed": True, "msg": "pods is forbidden"}, "could not be asked from the pod: pods is forbidden"),
        ({"rc": 0, "stdout": ""}, "answers without 'Welcome to nginx!': an empty page"),
        ({"rc": 0, "stdout": "404 page"}, "answers without 'Welcome to nginx!': 404 page"),
    ],
)
def test_why_a_request_failed_is_in_the_row(result, said):
    row = cluster(requests=[{"item": [REGISTRATION, PORT], **result}])["R19"]
    assert not row.ok
    assert row.detail == f"http://deb-nginx01.default:9080 {said}"


def test_a_rollout_that_is_under_way_is_not_done():
    deployment = {
        "metadata": {"name": "istio-pilot", "generation": 3},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 2},
    }
    assert "has not finished" in verify.pilot_problems([deployment])[0]


def test_expected_names():
    resources = [
        {"metadata": {"name": "istio-pilot", "namespace": "istio-system"}, "spec": {"clusterIP": "10.233.1.2"}},
        {"metadata": {"name": "istio-citadel", "namespace": "istio-system"}, "spec": {"clusterIP": "None"}},
        {"metadata": {"name": "other", "namespace": "istio-system"}, "spec": {"clusterIP": "10.233.1.4"}},
    ]
    names = verify.expected_names(resources, SERVICES, VIP, "cluster.local")
    assert len(names) == 13
    assert names["istio-ca.istio-system"] == VIP
    assert names["istio-pilot.istio-system.svc.cluster.local"] == "10.233.1.2"


def test_table_is_sorted_by_row_number():
    rows = [row._asdict() for row in judged(SEEN).values()]
    assert [line.split()[1] for line in verify.table(list(reversed(rows)))] == VM_ROWS


def test_a_host_that_was_not_reached_fails_its_rows():
    good = [row._asdict() for row in judged(SEEN).values()]
    wanted = {"director": ["director"], "vm": ["deb-nginx01", "deb-nginx02"]}
    rows = verify.all_rows(wanted, {"deb-nginx01": good, "deb-nginx02": []}, "all")
    bad = [row for row in rows if not row.ok]
    assert [row.row for row in bad if row.host == "director"] == ["R5"]
    assert [row.row for row in bad if row.host == "deb-nginx02"] == VM_ROWS
    assert len(rows) == len(good) + len(bad)
