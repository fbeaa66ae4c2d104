# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's nodes and the inventory's hosts, matched by address."""

from __future__ import annotations

import ipaddress
import itertools
import re
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.nodes import (
    EXCLUDED,
    Answer,
    Node,
    RealServers,
    answer,
    match,
    nearest,
)

VIP = "192.168.0.62"
HOSTS = {"worker1": "192.168.0.71", "worker2": "192.168.0.72"}
NODES = {"node1": "192.168.0.71", "node2": "192.168.0.72", "node3": "192.168.0.73"}


def addresses(*values: str) -> tuple[Any, ...]:
    return tuple(map(ipaddress.ip_address, values))


def node(name: str, *values: str, **more: Any) -> Node:
    return Node(name, addresses(*values), **more)


def cluster(**changes: Node | None) -> Answer:
    """NODES, some of them changed, or left out."""
    found = {**{name: node(name, address) for name, address in NODES.items()}, **changes}
    return Answer([one for one in found.values() if one])


def matched(said: Answer, unmanaged: bool = True, hosts: dict[str, str] | None = None) -> RealServers:
    return match(HOSTS if hosts is None else hosts, said, VIP, unmanaged, ["lvs1", "web1"])


def refusal(said: Answer, unmanaged: bool = True, hosts: dict[str, str] | None = None) -> str:
    (line,) = matched(said, unmanaged, hosts).refused
    return line


def test_hosts_keep_their_names_and_addresses() -> None:
    found = matched(cluster(node3=None))
    assert found == RealServers(HOSTS, refused=[], waiting=[])
    assert list(found.servers) == list(HOSTS)


def test_a_node_without_a_host_is_refused_with_both_remedies() -> None:
    line = refusal(cluster(), unmanaged=False)
    assert line.startswith("mesh_nodes_from_cluster: node3 (192.168.0.73) is a ready node of the cluster and has no")
    assert "Add a host with that address, or set mesh_nodes_unmanaged: true" in line
    assert matched(cluster(), unmanaged=False).servers == HOSTS


def test_a_node_without_a_host_is_a_real_server_when_that_is_wanted() -> None:
    found = matched(cluster())
    assert found.servers == {**HOSTS, "node3": "192.168.0.73"}
    assert (found.unmanaged, found.refused) == ({"node3": "192.168.0.73"}, [])
    (note,) = found.notes()
    assert note.startswith("node3 (192.168.0.73) is a node of the cluster without a host in the inventory")


@pytest.mark.parametrize("unmanaged", [False, True])
@pytest.mark.parametrize("change", [{"ready": False}, {"excluded": True}], ids=str)
def test_a_node_that_nobody_asks_for(change: dict[str, bool], unmanaged: bool) -> None:
    """One that is not ready, and one that Kubernetes is told to leave alone."""
    found = matched(cluster(node3=node("node3", "192.168.0.73", **change)), unmanaged)
    assert (found.servers, found.unmanaged, found.refused) == (HOSTS, {}, [])
    # It is one that would be a real server.
    assert found.unready == ({"node3": "192.168.0.73"} if unmanaged and "ready" in change else {})
    assert len(found.notes()) == len(found.unready)


@pytest.mark.parametrize("change", [{"ready": False}, {"excluded": True}], ids=str)
def test_a_host_stays_whatever_the_cluster_says_of_its_node(change: dict[str, bool]) -> None:
    found = matched(cluster(node2=node("node2", "192.168.0.72", **change), node3=None))
    assert (found.servers, found.refused, found.gone) == (HOSTS, [], {})
    assert found.waiting == (["worker2"] if "ready" in change else [])
    assert len(found.notes()) == len(found.waiting)


def test_a_host_that_is_no_node_gets_nothing_and_is_named() -> None:
    found = matched(cluster(node2=None, node3=None))
    assert (found.servers, found.gone) == ({"worker1": "192.168.0.71"}, {"worker2": "192.168.0.72"})
    (note,) = found.notes()
    assert note.startswith("worker2 (192.168.0.72) is in the group k8s_nodes and is no node of the cluster")


@pytest.mark.parametrize("hosts", [{"worker1": "192.168.1.71"}, {"worker1": "worker1.example.com"}, {"worker1": ""}])
def test_when_nobody_is_a_node_the_cluster_is_another_one(hosts: dict[str, str]) -> None:
    line = refusal(cluster(), hosts=hosts)
    assert re.search(
        r"none of the hosts .* worker1 \(.*\), is a node .* has node1 \(192\.168\.0\.71\), .*_context", line
    )
    assert matched(cluster(), hosts=hosts).servers == hosts
    assert "which has no nodes" in refusal(Answer(), hosts=hosts)


@pytest.mark.parametrize(
    "values",
    [
        ("192.168.0.71", "fd00::71", "203.0.113.71"),
        ("fd00::71", "192.168.0.71"),
        ("10.0.0.1", "203.0.113.71", "192.168.0.71"),
    ],
)
def test_any_of_its_addresses_makes_a_host_a_node(values: tuple[str, ...]) -> None:
    assert matched(cluster(node1=node("node1", *values), node3=None)).servers == HOSTS


@pytest.mark.parametrize("written", ["fd00::71", "FD00:0:0:0:0:0:0:71"])
def test_addresses_are_compared_as_addresses(written: str) -> None:
    hosts = {"worker1": written}
    found = match(hosts, Answer([node("node1", "fd00::71")]), "fd00::62", False)
    assert (found.servers, found.refused) == (hosts, [])


def test_two_hosts_with_one_address() -> None:
    hosts = {"worker1": "192.168.0.71", "twin": "192.168.0.71", "worker2": "192.168.0.72"}
    line = refusal(cluster(node3=None), hosts=hosts)
    assert "worker1 and twin of the group k8s_nodes are the same node, node1 (192.168.0.71). Keep one" in line
    found = matched(cluster(node3=None), hosts=hosts)
    assert (found.servers, found.gone) == (HOSTS, {})


def test_two_hosts_with_two_addresses_of_one_node() -> None:
    hosts = {"worker1": "192.168.0.71", "twin": "203.0.113.71"}
    said = Answer([node("node1", "192.168.0.71", "203.0.113.71")])
    assert "worker1 and twin of the group k8s_nodes are the same node" in refusal(said, hosts=hosts)
    assert matched(said, hosts=hosts).servers == {"worker1": "192.168.0.71"}


def test_one_host_with_the_address_of_two_nodes() -> None:
    """The object of a node that was given another name is left behind for a while."""
    said = cluster(former=node("former", "192.168.0.71", ready=False), node3=None)
    assert matched(said) == RealServers(HOSTS, refused=[], waiting=[])


def test_two_nodes_without_a_host_with_one_address_are_one_real_server() -> None:
    for name, ready in (("node4", True), ("node4", False), ("former", False)):
        found = matched(cluster(other=node(name, "192.168.0.73", ready=ready)))
        assert (found.unmanaged, found.unready) == ({"node3": "192.168.0.73"}, {})


@pytest.mark.parametrize("unmanaged", [False, True])
def test_a_host_with_the_name_of_a_node_and_another_address(unmanaged: bool) -> None:
    """As with an ansible_host in a network of its own: it would be there twice."""
    hosts = {"node1": "192.168.0.71", "node3": "10.1.0.73", "worker2": "192.168.0.72"}
    line = refusal(cluster(), unmanaged, hosts)
    assert "the host of the same name has the address 10.1.0.73. Set the host's mesh_vm_address, or its" in line
    found = matched(cluster(), unmanaged, hosts)
    assert (found.servers["node3"], found.unmanaged, found.gone) == ("10.1.0.73", {}, {})


@pytest.mark.parametrize("name", ["lvs1", "web1"])
def test_a_node_with_the_name_of_another_host(name: str) -> None:
    said = cluster(node3=node(name, "192.168.0.73"))
    assert f"{name} (192.168.0.73) is a node of the cluster without a host" in refusal(said)
    assert matched(said).servers == HOSTS


@pytest.mark.parametrize("values", [(), ("fd00::73",), (VIP,)], ids=str)
def test_a_node_without_an_address_to_forward_to(values: tuple[str, ...]) -> None:
    said = cluster(node3=node("node3", *values))
    for unmanaged in (False, True):
        line = refusal(said, unmanaged)
        assert re.search(
            r"node3 \(.+\) is .* no address that the director could forward 192\.168\.0\.62 to\. Add", line
        )
    assert matched(said).servers == HOSTS


@pytest.mark.parametrize(
    ("values", "vip", "chosen"),
    [
        (("192.168.0.73",), VIP, "192.168.0.73"),
        (("10.0.0.73", "192.168.0.73"), VIP, "192.168.0.73"),
        # The other one of a pair of networks that begin in the same way.
        (("192.168.1.73", "192.168.0.200"), VIP, "192.168.0.200"),
        (("192.168.0.73", VIP), VIP, "192.168.0.73"),
        (("fd00::73", "192.168.0.73"), VIP, "192.168.0.73"),
        (("fd00::73", "192.168.0.73"), "fd00::62", "fd00::73"),
        # Both as near: the first one.
        (("10.0.0.73", "10.128.0.73"), "192.168.0.62", "10.0.0.73"),
        (("10.0.0.73", "192.168.0.73"), "", "10.0.0.73"),
        (("10.0.0.73",), "x", "10.0.0.73"),
        (("fd00::73",), VIP, "None"),
        ((), VIP, "None"),
    ],
    ids=str,
)
def test_which_of_its_addresses_is_forwarded_to(values: tuple[str, ...], vip: str, chosen: str) -> None:
    assert str(nearest(addresses(*values), vip)) == chosen


def test_an_address_in_the_subnet_of_the_virtual_address_is_never_passed_over() -> None:
    """Whatever its prefix is, which the site does not say."""
    numbers = [int(ipaddress.ip_address(VIP)) ^ (1 << bit) for bit in range(32)]
    for one, other in itertools.combinations(map(ipaddress.ip_address, numbers), 2):
        chosen = nearest([one, other], VIP)
        for prefix in range(1, 33):
            subnet = ipaddress.ip_network(f"{VIP}/{prefix}", strict=False)
            assert chosen in subnet or (one not in subnet and other not in subnet)


def test_the_order_of_the_answer_changes_nothing() -> None:
    more = {"node4": node("node4", "192.168.0.74"), "node5": node("node5", "fd00::75")}
    results = [matched(Answer(list(order))) for order in itertools.permutations(cluster(**more).nodes)]
    assert all((one, list(one.servers)) == (results[0], list(results[0].servers)) for one in results)


def test_without_an_answer_the_hosts_are_as_they_were() -> None:
    found = matched(Answer(unknown="nobody knows"))
    assert (found.servers, found.unknown, found.refused, found.gone) == (HOSTS, "nobody knows", (), {})


def seen(*items: dict[str, Any], state: str = "ok") -> dict[str, Any]:
    other = {"kind": "Namespace", "state": "ok", "items": [{"name": "default"}]}
    return {"reachable": True, "documents": [other, {"kind": "Node", "state": state, "items": list(items)}]}


def item(name: str, *told: tuple[str, str], ready: bool = True, **labels: str) -> dict[str, Any]:
    listed = [{"type": kind, "address": address} for kind, address in told]
    return {"name": name, "labels": labels, "node": {"ready": ready, "addresses": listed}}


def test_what_the_api_says() -> None:
    told = [("Hostname", "node1"), ("ExternalIP", "203.0.113.1"), ("InternalIP", "fd00::1"), ("InternalIP", "10.0.0.1")]
    said = answer(
        [
            None,
            seen(
                item("node1", *told, ("InternalIP", "10.0.0.1"), ("InternalIP", "x")),
                item("node2", ready=False, **{EXCLUDED: ""}),
            ),
        ]
    )
    assert said == Answer(
        [node("node1", "fd00::1", "10.0.0.1", "203.0.113.1"), node("node2", ready=False, excluded=True)]
    )


@pytest.mark.parametrize(
    "others", [[], [None], [{"skipped": True}], [{"documents": []}], [{"reachable": False, "error": "Refused."}]]
)
def test_the_first_answer_counts(others: list[Any]) -> None:
    assert [one.name for one in answer([*others, seen(item("new")), seen(item("old"))]).nodes] == ["new"]


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([], "the API has not been asked in this run."),
        ([None, {"skipped": True}, {"documents": []}], "the API has not been asked in this run."),
        ([{"reachable": False, "error": "Connection refused."}], "Connection refused."),
        ([{"failed": True, "msg": "No library."}], "No library."),
        ([{"failed": True}], "the API gave no answer."),
        ([seen(state="forbidden")], "the user of mesh_kubeconfig may not list nodes;"),
    ],
    ids=str,
)
def test_why_the_nodes_are_not_known(results: list[Any], why: str) -> None:
    said = answer(results)
    assert said.nodes == ()
    assert said.unknown.startswith(f"mesh_nodes_from_cluster: the cluster's nodes are not known: {why}")
    assert said.unknown.endswith("-e mesh_nodes_from_cluster=false -e mesh_nodes_unmanaged=false")
