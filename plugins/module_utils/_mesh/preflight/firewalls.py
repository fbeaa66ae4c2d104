# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about hosts with rules of a packet filter that are not ours. Pure.

Only what certainly does not get through is a finding. Private to the collection.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..._host.firewall.model import CLUSTER
from ..._host.firewall.walk import DROPPED, TAKEN
from ..site import Site
from . import traffic
from .remedies import ANSWERS, LOOPBACK, Opening, let_in, not_track

Look = t.Mapping[str, t.Any]
Looks = t.Mapping[str, Look]

# What is kept, by its name.
_TEXTS = {
    traffic.EXPOSED: "what VMs send to the virtual address",
    traffic.GOING: "all packets of a connection through the director but the first",
    traffic.SENT_ON: "what IPVS sends on to the nodes",
    traffic.VRRP: "the adverts (VRRP) of other directors, so that several would hold the virtual address at once",
    traffic.SYNC: "the synchronisation of connections by other directors",
    traffic.ARRIVING: "what the director sends on to the node for the virtual address",
    traffic.RELAYED: "what kube-proxy forwards from VMs to pods",
    traffic.TO_VM: "what pods send to a VM",
    traffic.CLOSING: "the last packets of a connection through the director",
    traffic.PUBLISHED: "what pods send to the VM's services",
    traffic.CAPTURED: "what pods send to the VM's services, which comes in at the sidecar's port",
    traffic.ASKED: "what the VM sends to the virtual address",
    traffic.ANSWERED: "what the virtual address answers",
    traffic.INSIDE: "what the host sends to itself over lo, as to its sidecar",
}
_ANOTHER_NETWORK = "Give the bridge another one (for Docker: bip and default-address-pools in /etc/docker/daemon.json)."
# These come from pods or from their nodes, whichever the cluster makes of it.
_EITHER = (traffic.CAPTURED, traffic.PUBLISHED)
# A network of pods may be made so that nothing of it gets to the packet filter.
_NODE = (traffic.ARRIVING, traffic.RELAYED, traffic.TO_VM)
# What harms no run at once.
_NOTED = (traffic.CLOSING, traffic.PUBLISHED)
# Of the same connections: the first that is kept speaks for the others.
_CONNECTION = (traffic.EXPOSED, traffic.GOING, traffic.CLOSING)
_PLAIN = {traffic.ANSWERED: ANSWERS, traffic.INSIDE: LOOPBACK}
_NFTABLES = "nftables.service"


def findings(site: Site, looks: Looks) -> list[str]:
    return _together((name, text) for name, look in _seen(site, looks) for text in _findings(site, name, look))


def notes(site: Site, looks: Looks) -> list[str]:
    """What may go wrong, and what to look at."""
    return _together((name, text) for name, look in _seen(site, looks) for text in _notes(site, name, look))


def _together(lines: t.Iterable[tuple[str, str]]) -> list[str]:
    """What is said of several hosts, once."""
    names: dict[str, list[str]] = {}
    for name, text in lines:
        names.setdefault(text, []).append(name)
    return [f"{', '.join(found)}: {text}" for text, found in names.items()]


def _findings(site: Site, name: str, look: Look) -> t.Iterator[str]:
    for line in _first([line for line in _merged(look["kept"]) if _certain(line)]):
        if line["traffic"] not in _NOTED:
            yield _finding(site, line)
    yield from _overlaps(site, name, look["networks"])


def _seen(site: Site, looks: Looks) -> t.Iterator[tuple[str, Look]]:
    for name, look in looks.items():
        if name in site.hosts and look.get("packet_filter"):
            yield name, look["packet_filter"]


def _merged(lines: t.Sequence[Look]) -> list[Look]:
    """One for each chain and kind of traffic, whatever its destinations."""
    found: dict[tuple[str, ...], dict[str, t.Any]] = {}
    for line in lines:
        key = tuple(str(line[part]) for part in ("traffic", "outcome", "chain", "protocol"))
        one = found.setdefault(key, {**line, "ports": [], "every": False})
        one["ports"] = sorted({*one["ports"], *line["ports"]})
        one["destination"] = line["destination"] if line["destination"] == one["destination"] else ""
        one["every"] |= line["every"]
    return list(found.values())


def _certain(line: Look) -> bool:
    if line["outcome"] not in (DROPPED, TAKEN) or line["traffic"] in _NODE:
        return False
    return line["every"] or line["traffic"] not in _EITHER


def _first(lines: t.Sequence[Look]) -> t.Iterator[Look]:
    told: set[tuple[str, str, int]] = set()
    for line in lines:
        group = "connection" if line["traffic"] in _CONNECTION else line["traffic"]
        ports = {(group, line["protocol"], port) for port in line["ports"]}
        if not ports or ports - told:
            yield line
        told |= ports


def _opening(line: Look) -> Opening:
    captured = line["traffic"] == traffic.CAPTURED
    return Opening(
        line["owner"],
        line["chain"],
        line["hook"],
        line["protocol"],
        line["sources"],
        line["destination"],
        [line["port"]] if captured else line["ports"],
        line["ports"] if captured else (),
        _PLAIN.get(line["traffic"], ""),
    )


def _what(line: Look) -> str:
    ports = f", {line['protocol'].upper()} {', '.join(map(str, line['ports']))}" if line["ports"] else ""
    return f"{_TEXTS[line['traffic']]}{ports}"


def _finding(site: Site, line: Look) -> str:
    where = f"its packet filter ({line['chain']})"
    if line["outcome"] == TAKEN:
        return (
            f"{where} gives {_what(line)}, another destination, as Docker does with a port that it publishes. "
            f"Publish that port at an address of the host (docker run -p ADDRESS:PORT:PORT), not at {site.vip}."
        )
    if line["traffic"] == traffic.GOING:
        return (
            f"{where} drops {_what(line)}: answers go past the director, so it cannot tell a connection's packets from "
            f"new ones. Do not have them tracked: {not_track(line['owner'], site.vip)}."
        )
    return f"{where} drops {_what(line)}. Let it through: {let_in(_opening(line))}."


def _overlaps(site: Site, name: str, networks: t.Sequence[Look]) -> t.Iterator[str]:
    """Addresses that this host would look for on a bridge of its own."""
    wanted = {"mesh_vip": site.vip, **{host.name: host.address for host in site.hosts.values() if host.name != name}}
    for other, text in wanted.items():
        for bridge in _direct(text, networks):
            yield (
                f"{other} ({text}) is in the network {bridge['network']} of its bridge {bridge['interface']}, "
                f"so the host looks for it there. {_ANOTHER_NETWORK}"
            )


def _direct(text: str, networks: t.Sequence[Look]) -> list[Look]:
    """The bridges that it is reached by: the longest prefix counts, and of several equal ones nobody knows."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return []
    found = [(ipaddress.IPv4Network(one["network"]), one) for one in networks]
    fits = [(network.prefixlen, one) for network, one in found if address in network]
    longest = [one for length, one in fits if length == max(length for length, _one in fits)]
    return longest if all(one["engine"] for one in longest) else []


def _notes(site: Site, name: str, look: Look) -> t.Iterator[str]:
    lines = _merged(look["kept"])
    for line in _first([line for line in lines if not _certain(line)]):
        if line["traffic"] not in _NOTED and not _as_wanted(line):
            yield _doubt(line)
    for line in lines:
        if line["traffic"] == traffic.CLOSING and line["outcome"] == DROPPED:
            yield (
                f"its packet filter ({line['chain']}) drops packets that are invalid to it. On a director the "
                "last ones of each connection are, as answers go past it, so nodes keep connections that have ended. "
                f"Do not have them tracked: {not_track(line['owner'], site.vip)}."
            )
        if line["traffic"] == traffic.PUBLISHED and line["outcome"] == TAKEN:
            yield (
                f"a rule of its packet filter ({line['chain']}) gives {_what(line)}, another destination, as "
                "Docker does with a port that it publishes: requests may go past the sidecar. Run the container in "
                "the host's network (docker run --network host)."
            )
    yield from _of_services(look)
    yield from _pods_on_bridges(site, name, look["networks"])


def _as_wanted(line: Look) -> bool:
    """kube-proxy gives packets to pods, and how the cluster lets them through is its own affair, and seldom plain."""
    if line["traffic"] not in _NODE or line["outcome"] == DROPPED:
        return False
    return line["outcome"] == TAKEN or line["owner"] == CLUSTER


def _doubt(line: Look) -> str:
    where, remedy = f"its packet filter ({line['chain']})", let_in(_opening(line))
    if line["outcome"] == DROPPED and line["traffic"] in _NODE:
        return f"{where} drops {_what(line)}, unless the network of pods goes past it (eBPF). Let it through: {remedy}."
    if line["outcome"] == DROPPED:
        sources = ", ".join(filter(None, line["sources"]))
        return f"{where} drops {_what(line)}, from {sources}. If pods come with such addresses: {remedy}."
    return f"it cannot be told from {where} whether that lets through {_what(line)}. If not: {remedy}."


def _of_services(look: Look) -> t.Iterator[str]:
    if look["error"]:
        yield f"its packet filter was not judged: {look['error']}."
    for chain in look["clashes"]:
        yield (
            f"its chain {chain} has a name of iptables' own and another priority, so iptables, which the sidecar and "
            "kube-proxy use, can add no rules there. Give its table another name."
        )
    units = look["units"]
    for unit in ("firewalld.service", _NFTABLES):
        if units.get(unit, {}).get("enabled") and not units[unit]["active"]:
            yield f"{unit} is enabled and not active: its rules were not judged, and come at the next boot."
    if look["flushes"] and (units.get(_NFTABLES) or {}).get("enabled"):
        yield (
            f"/etc/nftables.conf has 'flush ruleset', so a reload of {_NFTABLES} takes away the rules of the "
            "sidecar, of kube-proxy and of Docker. Have it delete its own tables only ('table inet filter' and 'delete "
            "table inet filter' before the table), or restart istio after a reload."
        )


def _pods_on_bridges(site: Site, name: str, networks: t.Sequence[Look]) -> t.Iterator[str]:
    if name not in site.vms:
        return
    pods = [ipaddress.IPv4Network(text) for text in traffic.pod_sources(site) if "/" in text]
    for one in networks:
        if one["engine"] and any(ipaddress.IPv4Network(one["network"]).overlaps(network) for network in pods):
            yield (
                f"the network {one['network']} of its bridge {one['interface']} overlaps mesh_pod_cidr, so "
                f"answers to pods do not leave the host, unless pods come with the address of their node. "
                f"{_ANOTHER_NETWORK}"
            )
