# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to get through a host's packet filter, by what the host is. Pure. Private to the collection.

IPVS takes packets at the end of the hook input and sends them on through output. kube-proxy and the sidecar change
destinations at prerouting, so what comes behind sees the pod's address or the sidecar's port.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..errors import MeshError
from ..site import Host, Site, Vm

Item = t.Dict[str, t.Any]

EXPOSED, GOING, CLOSING, SENT_ON = "exposed", "going", "closing", "sent on"
VRRP, SYNC = "vrrp", "sync"
ARRIVING, RELAYED, TO_VM = "arriving", "relayed", "to vm"
CAPTURED, ASKED, ANSWERED, INSIDE = "captured", "asked", "answered", "inside"
PUBLISHED = "published"

SYNC_GROUP, SYNC_PORT = "224.0.0.81", 8848
_SYN: Item = {"state": "new", "flags": ["syn"]}
# What kube-proxy gives to packets from outside of the cluster.
_PROXY_MARK = 0x4000
_ENVOY_OUT = 15001
_LOCAL = "127.0.0.1"
# One of those that the kernel gives to a connection's own end.
_EPHEMERAL = 50000


def traffic(site: Site, name: str) -> list[Item]:
    """For one host, in the form of M(mesh.expansion.preflight_look)."""
    if not _usable(site.vip):
        return []
    found: list[Item] = []
    if name in site.directors:
        found += _director(site, site.directors[name])
    if name in site.nodes:
        found += _node(site)
    if name in site.vms:
        found += _vm(site, site.vms[name])
    # What is no address is said elsewhere.
    return [item for item in found if item["sources"] and _usable(item.get("destination") or site.vip)]


def _usable(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return False
    return True


def exposed_ports(site: Site, key: str = "port") -> dict[str, list[int]]:
    """By protocol; nothing where the list cannot be used, which is said elsewhere."""
    try:
        entries = site.exposed_services()
    except MeshError:
        return {}
    found: dict[str, set[int]] = {}
    for entry in entries:
        for port in entry["ports"]:
            found.setdefault(port["protocol"].lower(), set()).add(port[key])
    return {protocol: sorted(ports) for protocol, ports in sorted(found.items())}


def service_ports(vm: Vm) -> list[int]:
    """Those that can be understood; the others are said elsewhere."""
    listed = vm.services if isinstance(vm.services, (list, tuple)) else []
    texts = [str(service.get("port")) for service in listed if isinstance(service, t.Mapping)]
    return sorted({int(text) for text in texts if text.isdigit() and 0 < int(text) < 65536})


def pod_sources(site: Site) -> list[str]:
    """What a VM sees of pods: their own addresses, or those of their nodes."""
    return [*_pods(site), *_addresses(site.nodes)]


def _pods(site: Site) -> list[str]:
    """Their networks; one that nobody knows is empty."""
    return [text for text in site.pod_cidr if _usable(text)] or [""]


def _item(name: str, hooks: t.Sequence[str], protocol: str, sources: t.Sequence[str], **more: t.Any) -> Item:
    return {"name": name, "hooks": list(hooks), "protocol": protocol, "sources": list(sources), **more}


def _addresses(hosts: t.Mapping[str, Host]) -> list[str]:
    return [host.address for host in hosts.values() if _usable(host.address)]


def _director(site: Site, own: Host) -> t.Iterator[Item]:
    vms = _addresses(site.vms)
    for protocol, ports in exposed_ports(site).items():
        to: Item = {"destination": site.vip, "ports": ports}
        syn = _SYN if protocol == "tcp" else {}
        yield _item(EXPOSED, ("prerouting", "input"), protocol, vms, packet={**syn, "kind": "local"}, **to)
        if protocol == "tcp":
            # Answers go past the director: to its connection tracking each packet is the first one, and the last
            # ones, which no connection begins with, are invalid.
            yield _item(
                GOING, ("input",), protocol, vms, packet={"state": "new", "flags": ["ack"], "kind": "local"}, **to
            )
            closing = {"state": "invalid", "flags": ["fin", "ack"], "kind": "local"}
            yield _item(CLOSING, ("input",), protocol, vms, packet=closing, **to)
        yield _item(SENT_ON, ("output",), protocol, vms, packet={"state": "untracked"}, **to)
    others = _addresses({name: host for name, host in site.directors.items() if name != own.name})
    yield _item(VRRP, ("input",), "vrrp", others, destination=own.address, packet={"kind": "local"})
    group: Item = {"destination": SYNC_GROUP, "ports": [SYNC_PORT]}
    yield _item(SYNC, ("input",), "udp", others, packet={"kind": "multicast"}, **group)


def _node(site: Site) -> t.Iterator[Item]:
    vms = _addresses(site.vms)
    for protocol, ports in exposed_ports(site).items():
        syn = _SYN if protocol == "tcp" else {}
        yield _item(
            EXPOSED,
            ("prerouting",),
            protocol,
            vms,
            destination=site.vip,
            ports=ports,
            packet={**syn, "kind": "unicast"},
        )
    networks = _pods(site)
    pods = networks[0] if len(networks) == 1 else ""
    for protocol, ports in exposed_ports(site, "target_port").items():
        syn = _SYN if protocol == "tcp" else {}
        packet = {**syn, "redirected": True, "mark": _PROXY_MARK, "kind": "unicast"}
        yield _item(RELAYED, ("forward",), protocol, vms, destination=pods, ports=ports, packet=packet)
    for vm in site.vms.values():
        to = {"destination": vm.address, "ports": service_ports(vm)}
        yield _item(TO_VM, ("forward",), "tcp", networks, packet={**_SYN, "kind": "unicast"}, **to)


def _vm(site: Site, vm: Vm) -> t.Iterator[Item]:
    local: Item = {**_SYN, "kind": "local"}
    to: Item = {"destination": vm.address, "ports": service_ports(vm)}
    if to["ports"]:
        yield _item(PUBLISHED, ("prerouting",), "tcp", pod_sources(site), packet=local, **to)
        captured = {**local, "redirected": True, "dport": site.generation.sidecar.inbound}
        yield _item(CAPTURED, ("input",), "tcp", pod_sources(site), packet=captured, port_field="original", **to)
    inside = {**_SYN, "iif": "lo", "kind": "local", "redirected": True}
    yield _item(INSIDE, ("input",), "tcp", [vm.address], destination=_LOCAL, ports=[_ENVOY_OUT], packet=inside)
    for protocol, ports in exposed_ports(site).items():
        syn = _SYN if protocol == "tcp" else {}
        yield _item(ASKED, ("output",), protocol, [vm.address], destination=site.vip, ports=ports, packet=dict(syn))
        back: Item = {"destination": vm.address, "ports": ports, "port_field": "sport"}
        packet = {
            "state": "established",
            "kind": "local",
            "dport": _EPHEMERAL,
            **({"flags": ["ack"]} if protocol == "tcp" else {}),
        }
        yield _item(ANSWERED, ("prerouting", "input"), protocol, [site.vip], packet=packet, **back)
