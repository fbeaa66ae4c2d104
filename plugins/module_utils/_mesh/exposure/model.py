# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of exposed services: its keys, their defaults, and what is refused. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import typing as t

from ..errors import MeshError
from ..options import unknown

Entry = t.Dict[str, t.Any]

PROTOCOLS = ("TCP", "UDP")
PORT_KEYS = ("name", "port", "protocol", "target_port", "persistence", "one_packet")
ENTRY_KEYS = (
    "name",
    "namespace",
    "selector",
    "labels",
    "inherited_labels",
    "nodes",
    "scheduler",
    "dns_names",
    "dns_zone",
    "ports",
)
# These may also stand at the entry and then hold for all its ports.
PORT_DEFAULTS = ("persistence", "one_packet")


class Place(t.NamedTuple):
    """The mesh that a profile's list is made for."""

    istio_namespace: str = "istio-system"
    dns_namespace: str = "kube-system"
    cluster_domain: str = "cluster.local"
    # Of istiod; empty without one.
    revision: str = ""
    # Of the pods; empty: as the namespace's label says.
    network: str = ""
    # Whether VMs reach pods, and whether they ask the cluster's DNS.
    vm_to_pods: bool = False
    cluster_dns: bool = False


class ExposureError(MeshError):
    """The list of exposed services, or what it is combined with, is not usable."""


def parse_address(value: t.Any, what: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        raise ExposureError(f"{what} is {value!r}; it must be an IP address") from None


def _integer(value: t.Any, where: str, key: str, low: int, high: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise ExposureError(f"{where}: {key} is {value!r}; it must be a whole number from {low} to {high}")
    return number


def only_known(mapping: t.Any, known: t.Iterable[str], where: str) -> None:
    if not isinstance(mapping, t.Mapping):
        raise ExposureError(f"{where}: must be a dictionary, not {mapping!r}")
    strange = unknown(mapping, list(known))
    if strange:
        raise ExposureError(f"{where}: {'. '.join(strange)}")


def _normalise_port(port: t.Any, entry: Entry, where: str) -> Entry:
    if not isinstance(port, t.Mapping):
        port = {"port": port}
    only_known(port, PORT_KEYS, where)
    number = _integer(port.get("port"), where, "port", 1, 65535)
    where = f"{where} {number}"
    protocol = str(port.get("protocol") or "TCP").upper()
    if protocol not in PROTOCOLS:
        raise ExposureError(f"{where}: protocol is {port['protocol']!r}; use one of {', '.join(PROTOCOLS)}")
    persistence = port.get("persistence", entry.get("persistence", 0))
    one_packet = port.get("one_packet", protocol == "UDP" and entry.get("one_packet", False))
    if not isinstance(one_packet, bool):
        raise ExposureError(f"{where}: one_packet is {one_packet!r}; it must be true or false")
    if one_packet and protocol != "UDP":
        raise ExposureError(f"{where}: one_packet is for UDP only; leave it out for {protocol}")
    return {
        "name": str(port.get("name") or ""),
        "port": number,
        "protocol": protocol,
        "target_port": _integer(port.get("target_port", number), where, "target_port", 1, 65535),
        "persistence": _integer(persistence, where, "persistence", 0, 86400 * 31),
        "one_packet": one_packet,
    }


def _normalise(entry: t.Any, index: int) -> Entry:
    where = f"exposed service {index + 1}"
    only_known(entry, ENTRY_KEYS + PORT_DEFAULTS, where)
    for key in ("name", "namespace", "selector", "ports"):
        if not entry.get(key):
            raise ExposureError(f"{where} ({entry.get('name', 'without name')}): {key} is missing or empty")
    where = f"exposed service {entry['name']}"
    for key in ("nodes", "dns_names", "inherited_labels", "ports"):
        if not isinstance(entry.get(key) or [], (list, tuple)):
            raise ExposureError(f"{where}: {key} must be a list")
    ports = [_normalise_port(port, entry, f"{where}: port") for port in entry["ports"]]
    if len(ports) > 1 and len({port["name"] for port in ports} - {""}) < len(ports):
        raise ExposureError(f"{where}: with more than one port each needs a name of its own")
    return {
        "name": str(entry["name"]),
        "namespace": str(entry["namespace"]),
        "selector": dict(entry["selector"]),
        "labels": dict(entry.get("labels") or {}),
        "inherited_labels": [str(key) for key in entry.get("inherited_labels") or []],
        "nodes": [str(node) for node in entry.get("nodes") or []],
        "scheduler": str(entry.get("scheduler") or "wrr"),
        "dns_names": [str(name) for name in entry.get("dns_names") or []],
        "dns_zone": str(entry.get("dns_zone") or ""),
        "ports": ports,
    }


def parse_services(services: t.Sequence[t.Any]) -> list[Entry]:
    """The list in its full form; given that form, it comes back as it is."""
    entries = [_normalise(entry, index) for index, entry in enumerate(services)]
    _unique(entries)
    return entries


def _unique(entries: list[Entry]) -> None:
    names: set = set()
    owners: dict = {}
    for entry in entries:
        if entry["name"] in names:
            raise ExposureError(f"exposed service {entry['name']} is listed twice")
        names.add(entry["name"])
        for port in entry["ports"]:
            key = (port["protocol"], port["port"])
            if key in owners:
                raise ExposureError(
                    f"{port['protocol']} port {port['port']} is exposed by both {owners[key]} and {entry['name']}: "
                    "one virtual address can forward it to one of them only"
                )
            owners[key] = entry["name"]
