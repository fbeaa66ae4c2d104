# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers from the cluster, from what the API holds to what each part of the collection makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import NODES
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure, generations, parts, site
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import audit, rows
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import cluster, findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules
from ansible_collections.mesh.expansion.plugins.modules import kube_access_info

from tests.unit.plugins.fake_kube import FakeKube

Json = dict[str, Any]
HOSTS = {"lvs1": "192.168.0.61", "worker1": "192.168.0.71", "worker2": "192.168.0.72", "web1": "192.168.0.81"}
GROUPS = {"director": ["lvs1"], "k8s_nodes": ["worker1", "worker2"], "vms": ["web1"]}
COMMON: Json = {
    "mesh_vip": "192.168.0.62",
    "mesh_service_cidr": "10.233.0.0/16",
    "mesh_sidecar_package": "/srv/istio-sidecar.deb",
}
FROM = {"mesh_nodes_from_cluster": True}
ALL = {**FROM, "mesh_nodes_unmanaged": True}
DIRECTOR = {"operations": [], "refusals": [], "drained": [], "places": ["eth0/32"]}


def api_node(name: str, address: str, ready: str = "True") -> Json:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }


@pytest.fixture
def kube() -> FakeKube:
    """Two nodes that are hosts of the inventory, and one that is none."""
    client = FakeKube()
    for number in (1, 2, 3):
        client.store.put(NODES, "", api_node(f"node{number}", f"192.168.0.7{number}"))
    return client


def parsed(variables: Json, client: FakeKube | None = None, generation: str = "istiod") -> site.Site:
    """The site after preflight has asked the API, if there is one."""
    told = {**COMMON, **variables, "mesh_control_plane": generation}

    def look(known: Json) -> site.Site:
        return site.parse(known.get, GROUPS, lambda name: {**known, "ansible_host": HOSTS[name]}.get)

    if client is None:
        return look(told)
    filled = {"namespace": "", "name": "", "selector": "", "keys": []}
    asked = [{**filled, **one} for one in cluster.required_documents(look(told)) if one["kind"] == "Node"]
    return look({**told, "__preflight_cluster": {"reachable": True, **kube_access_info.inspect(client, [], [], asked)}})


def value(name: str, found: site.Site) -> Any:
    return parts.value_of(parts.part(name), found)


def told_nodes(found: site.Site) -> list[str]:
    return [line for line in findings.findings(found, {}, {}, Rules({})) if "mesh_nodes" in line]


@pytest.mark.parametrize("generation", ["istiod", "citadel"])
def test_by_default_the_api_is_not_asked_and_says_nothing(kube: FakeKube, generation: str) -> None:
    found = parsed({}, kube, generation)
    without = parsed({}, None, generation)
    assert found == without
    assert value("nodes", found) == {"worker1": "192.168.0.71", "worker2": "192.168.0.72"}
    assert not [one for one in cluster.required_documents(found) if one["kind"] == "Node"]
    assert not [one for one in cluster.required_access(found, "istio", "istiod") if one["resource"] == "nodes"]
    made = generations.generation(generation)
    seen = {"lvs1": DIRECTOR}
    assert rows.rows(made, {}, seen, {}, {}, "", {}, {}) == rows.rows(made, {}, seen, {}, {}, "")


def test_the_way_out_when_the_api_is_gone() -> None:
    """What the message says, as the command line has it."""
    found = parsed({**ALL, "mesh_nodes_from_cluster": "false", "mesh_nodes_unmanaged": "false"})
    assert found.problems == ()
    assert value("nodes", found) == {"worker1": "192.168.0.71", "worker2": "192.168.0.72"}


@pytest.mark.parametrize("generation", ["istiod", "citadel"])
def test_a_node_without_a_host_is_refused_before_anything_is_changed(kube: FakeKube, generation: str) -> None:
    found = parsed(FROM, kube, generation)
    (line,) = told_nodes(found)
    assert line.startswith("mesh_nodes_from_cluster: node3 (192.168.0.73) is a ready node of the cluster")
    # What goes on without a decision, such as drain and verify, knows the hosts.
    assert value("nodes", found) == {"worker1": "192.168.0.71", "worker2": "192.168.0.72"}
    assert value("real_servers", found) == {
        "unmanaged": {},
        "unready": {},
        "gone": {},
        "refused": [line],
        "unknown": "",
    }


@pytest.mark.parametrize("generation", ["istiod", "citadel"])
def test_everybody_gets_the_same_nodes(kube: FakeKube, generation: str) -> None:
    found = parsed(ALL, kube, generation)
    assert told_nodes(found) == []
    nodes = value("nodes", found)
    assert nodes == {"worker1": "192.168.0.71", "worker2": "192.168.0.72", "node3": "192.168.0.73"}
    table = exposure.ipvs_table(value("exposed_services", found), found.vip, nodes)
    assert {len(entry["real_servers"]) for entry in table} == {3}
    assert {one["name"]: one["address"] for one in value("picture", found)["nodes"]} == nodes
    assert [note for note in found.notes() if note.startswith("node3 (192.168.0.73) is a node of the cluster without")]


def test_the_right_to_list_nodes_is_asked_for() -> None:
    right = {"resource": "nodes", "verbs": ["list"], "namespace": "", "name": "", "group": ""}
    assert right in cluster.required_access(parsed(FROM), "istio", "istiod")


@pytest.mark.parametrize(("state", "servers"), [("False", 2), ("Unknown", 2), ("True", 3)])
def test_ready_is_what_the_api_says(kube: FakeKube, state: str, servers: int) -> None:
    kube.store.put(NODES, "", api_node("node3", "192.168.0.73", state))
    assert len(value("nodes", parsed(ALL, kube))) == servers


def test_a_node_that_has_not_said_anything_yet(kube: FakeKube) -> None:
    kube.store.put(NODES, "", {"metadata": {"name": "node3"}})
    assert len(value("nodes", parsed(ALL, kube))) == 2


def test_who_may_not_list_nodes_is_told_so(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_args: Any) -> None:
        raise KubeForbidden("no")

    monkeypatch.setattr(kube, "list", denied)
    found = parsed(ALL, kube)
    assert "may not list nodes; docs/rbac.yaml" in value("real_servers", found)["unknown"]
    assert value("nodes", found) == {"worker1": "192.168.0.71", "worker2": "192.168.0.72"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"mesh_nodes_from_cluster": "perhaps"}, "mesh_nodes_from_cluster: 'perhaps' is neither true nor false."),
        ({**FROM, "mesh_nodes_unmanaged": "all"}, "mesh_nodes_unmanaged: 'all' is neither true nor false."),
        ({"mesh_nodes_unmanaged": True}, "mesh_nodes_unmanaged: true, but mesh_nodes_from_cluster is not. Set that"),
        (
            {**ALL, "mesh_exposed_overrides": {"istiod-lb": {"nodes": ["node3"]}}},
            "istiod-lb names the node 'node3'. Name hosts of k8s_nodes: worker1, worker2.",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_used(kube: FakeKube, variables: Json, words: str) -> None:
    found = parsed(variables, kube)
    (problem,) = found.problems
    assert words in problem.text
    if problem.variable.startswith("mesh_nodes"):
        with pytest.raises(MeshError, match=r"mesh_nodes_"):
            value("nodes", found)


def judged(kube: FakeKube | None, variables: Json, **director: Any) -> list[Json]:
    made = generations.generation("istiod")
    told = value("real_servers", parsed(variables, kube))
    found = rows.rows(
        made, {"checks": [], "names": {}}, {"lvs1": {**DIRECTOR, **director}}, {}, {}, "2 nodes", {}, told
    )
    return [row._asdict() for row in found]


def test_the_row_of_a_node_without_a_host_is_not_checked(kube: FakeKube) -> None:
    table, node = judged(kube, ALL)
    assert (table["row"], table["state"]) == ("I3", "ok")
    assert (node["row"], node["state"], node["host"], node["ok"]) == ("N1", "not checked", "node3", True)
    assert node["detail"].startswith("node3 (192.168.0.73) is a node of the cluster without a host in the inventory")


def test_the_row_of_a_node_that_nobody_may_take_fails(kube: FakeKube) -> None:
    _table, node = judged(kube, FROM)
    assert (node["row"], node["state"], node["host"]) == ("N1", "FAILED", "cluster")
    assert "set mesh_nodes_unmanaged: true" in node["detail"]
    looks = audit.Looks({}, {}, {}, {}, {}, {}, {})
    (drift,) = audit.audit(generations.generation("istiod"), [node], looks).drift
    assert (drift.where, drift.what) == ("cluster", "N1 the node takes what the director forwards")


def test_the_row_of_a_host_that_is_no_node(kube: FakeKube) -> None:
    del kube.store.objects["nodes", "", "node2"]
    _table, _node3, gone = judged(kube, ALL)
    assert (gone["row"], gone["state"], gone["host"]) == ("N1", "not checked", "worker2")
    assert "nothing is forwarded to it" in gone["detail"]


def test_a_run_about_vms_has_no_row_of_nodes(kube: FakeKube) -> None:
    told = value("real_servers", parsed(ALL, kube))
    assert rows.rows(generations.generation("istiod"), {"checks": [], "names": {}}, {}, {}, {}, "", {}, told) == []


def test_without_the_cluster_s_word_the_table_is_not_judged() -> None:
    (table,) = judged(None, ALL, operations=["load the table"])
    assert (table["row"], table["state"]) == ("I3", "not checked")
    assert "the cluster's nodes are not known: the API has not been asked" in table["detail"]
    assert table["detail"].endswith("Of these: the next run would: load the table")
    (refused,) = judged(None, ALL, refusals=["It is a node."])
    assert (refused["state"], refused["detail"]) == ("FAILED", "It is a node.")
