# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which nodes are real servers where the cluster says it: its nodes and the inventory's hosts, matched by address.
Pure. Private to the collection.

Whether a node that has a host is ready or cordoned changes nothing: kube-proxy goes on meanwhile, and the director's
checks see who does not answer. Kubernetes does the same with the nodes behind a load balancer (KEP-3458).
"""

from __future__ import annotations

import ipaddress
import typing as t

VARIABLE = "mesh_nodes_from_cluster"
KIND = "Node"
# In the order in which one is chosen, of several that are equally near.
ADDRESS_TYPES = ("InternalIP", "ExternalIP")
# Kubernetes' own word for nodes that load balancers are to leave alone; kubeadm says it of the control plane's.
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
# Variables in which a run has what M(mesh.expansion.kube_access_info) said. Where preflight has an answer, the role
# director does not ask again, so what that has is older.
SEEN = ("__preflight_cluster", "__director_cluster")

Mapping = t.Mapping[str, t.Any]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Node(t.NamedTuple):
    """A node of the cluster, as the API has it."""

    name: str
    addresses: t.Sequence[Address]
    ready: bool = True
    excluded: bool = False

    def described(self) -> str:
        return f"{self.name} ({', '.join(map(str, self.addresses)) or 'without an address'})"


class Answer(t.NamedTuple):
    """What the API said of its nodes, or why that is not known."""

    nodes: t.Sequence[Node] = ()
    unknown: str = ""


class RealServers(t.NamedTuple):
    """Addresses by name, and what else has come of asking the cluster."""

    servers: t.Mapping[str, str]
    # Of these the nodes without a host; and nodes that would be, if they were ready.
    unmanaged: t.Mapping[str, str] = {}
    unready: t.Mapping[str, str] = {}
    # Hosts that are no node.
    gone: t.Mapping[str, str] = {}
    # Hosts whose node is not ready.
    waiting: t.Sequence[str] = ()
    # What has to be decided before a run, and why the cluster's nodes are not known.
    refused: t.Sequence[str] = ()
    unknown: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return {
            **{key: dict(getattr(self, key)) for key in WORDS},
            "refused": list(self.refused),
            "unknown": self.unknown,
        }

    def notes(self) -> list[str]:
        """What is worth to be known before a run."""
        return [
            *(f"{name} ({value}) {why}" for key, why in WORDS.items() for name, value in getattr(self, key).items()),
            *(
                f"The node {name} is not ready; it stays a real server, and director_health decides whether it gets "
                "connections."
                for name in self.waiting
            ),
        ]


# What there is to say of those that nobody looks at as real servers.
WORDS = {
    "unmanaged": "is a node of the cluster without a host in the inventory, and a real server by mesh_nodes_unmanaged: "
    "nobody looks at it. docs/nodes.md says what must hold there.",
    "unready": "is a node of the cluster without a host in the inventory that is not ready, so nothing is forwarded to "
    "it until it is. With a host it would stay a real server meanwhile.",
    "gone": "is in the group k8s_nodes and is no node of the cluster, so nothing is forwarded to it. Take it out of "
    "the group, or set its mesh_vm_address or ansible_host to the node's address.",
}


def answer(results: t.Iterable[Mapping | None]) -> Answer:
    """Of the first result of M(mesh.expansion.kube_access_info) that has an answer about nodes."""
    reason = ""
    for result in results:
        if not result or result.get("skipped"):
            continue
        read = [one for one in result.get("documents") or [] if one["kind"] == KIND]
        if read:
            if read[0]["state"] == "ok":
                return Answer([_node(item) for item in read[0]["items"]])
            return _unknown("the user of mesh_kubeconfig may not list nodes; docs/rbac.yaml has that right.")
        if "documents" not in result:
            reason = str(result.get("error") or result.get("msg") or "the API gave no answer.")
    return _unknown(reason or "the API has not been asked in this run.")


def _unknown(reason: str) -> Answer:
    return Answer(
        unknown=f"{VARIABLE}: the cluster's nodes are not known: {reason} For one run with the hosts of the inventory "
        f"as they are: -e {VARIABLE}=false -e mesh_nodes_unmanaged=false"
    )


def _node(item: Mapping) -> Node:
    found = item["node"]
    by_type = [
        address
        for kind in ADDRESS_TYPES
        for address in (_address(one.get("address")) for one in found["addresses"] if one.get("type") == kind)
        if address is not None
    ]
    excluded = EXCLUDED in (item.get("labels") or {})
    return Node(str(item["name"]), tuple(dict.fromkeys(by_type)), bool(found["ready"]), excluded)


def _address(value: t.Any) -> Address | None:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        return None


def match(
    hosts: t.Mapping[str, str], said: Answer, vip: str, unmanaged: bool, others: t.Collection[str] = ()
) -> RealServers:
    """C(hosts) are those of the group of nodes, with their addresses; C(others) are names that nodes may not have."""
    if said.unknown:
        return RealServers(dict(hosts), unknown=said.unknown)
    owners = {node: [name for name, value in hosts.items() if _address(value) in node.addresses] for node in said.nodes}
    refused = [_twice(node, names) for node, names in owners.items() if len(names) > 1]
    found = {name for names in owners.values() for name in names[:1]}
    surplus = {name for names in owners.values() for name in names[1:]} - found
    gone = {name: value for name, value in hosts.items() if name not in found | surplus}
    if not found:
        # Rather than a table without anybody in it.
        return RealServers(dict(hosts), refused=_refused([_nobody(hosts, said.nodes)]))
    servers = {name: value for name, value in hosts.items() if name in found}
    alone: dict[str, str] = {}
    waits: dict[str, str] = {}
    without = [node for node, names in owners.items() if not names and not node.excluded]
    for node in sorted(without, key=lambda one: (not one.ready, one.name)):
        address = nearest(node.addresses, vip)
        if not node.ready:
            # While a node comes or goes nobody need decide about it.
            if unmanaged and address is not None and str(address) not in alone.values():
                waits[node.name] = str(address)
        elif node.name in hosts:
            refused.append(_elsewhere(node, hosts[node.name]))
            servers[node.name] = hosts[node.name]
            gone.pop(node.name, None)
        elif address is None:
            refused.append(_no_address(node, vip))
        elif not unmanaged:
            refused.append(_no_host(node))
        elif node.name in others:
            refused.append(_other_host(node))
        elif str(address) not in alone.values():
            # Another object of the same address is one that was left behind.
            alone[node.name] = str(address)
    ready = {name for node, names in owners.items() if node.ready for name in names}
    waiting = [name for name in servers if name not in ready and name in found]
    return RealServers({**servers, **alone}, alone, waits, gone, waiting, _refused(refused))


def nearest(addresses: t.Sequence[Address], vip: str) -> Address | None:
    """Of the virtual address's family the one that has the longest beginning in common with it: what is in its subnet
    has more than what is not, and the director forwards within that."""
    virtual = _address(vip)
    version = virtual.version if virtual else 4
    usable = [one for one in addresses if one.version == version and one != virtual]
    if virtual is None or not usable:
        return usable[0] if usable else None
    number = int(virtual)
    return min(usable, key=lambda one: (int(one) ^ number).bit_length())


def _refused(lines: t.Iterable[str]) -> list[str]:
    return [f"{VARIABLE}: {line}" for line in lines]


def _no_host(node: Node) -> str:
    return (
        f"{node.described()} is a ready node of the cluster and has no host in the group k8s_nodes. Add a host with "
        "that address, or set mesh_nodes_unmanaged: true to forward to it without looking at it. To leave it out, "
        f"label the node {EXCLUDED}."
    )


def _no_address(node: Node, vip: str) -> str:
    return (
        f"{node.described()} is a ready node of the cluster without a host in the group k8s_nodes, and has no address "
        f"that the director could forward {vip or 'the virtual address'} to. Add a host, or label the node {EXCLUDED}."
    )


def _elsewhere(node: Node, address: str) -> str:
    return (
        f"{node.described()} is a node of the cluster, and the host of the same name has the address {address}. Set "
        "the host's mesh_vm_address, or its ansible_host, to the node's address."
    )


def _other_host(node: Node) -> str:
    return (
        f"{node.described()} is a node of the cluster without a host in the group k8s_nodes, and a director or VM of "
        "the inventory has its name. Give that another name, or put the node into k8s_nodes."
    )


def _twice(node: Node, names: t.Sequence[str]) -> str:
    both = " and ".join(names)
    return f"{both} of the group k8s_nodes are the same node, {node.described()}. Keep one of them."


def _nobody(hosts: t.Mapping[str, str], nodes: t.Sequence[Node]) -> str:
    mine = ", ".join(f"{name} ({value})" for name, value in hosts.items())
    there = ", ".join(node.described() for node in nodes) or "no nodes"
    return (
        f"none of the hosts of the group k8s_nodes, {mine}, is a node of the cluster, which has {there}. Correct "
        "mesh_kubeconfig or mesh_kube_context, or the hosts' mesh_vm_address or ansible_host."
    )
