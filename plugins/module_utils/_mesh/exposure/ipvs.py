# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The director's IPVS table of the exposed services. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import typing as t

from .model import Entry, ExposureError, parse_address

_DIRECT_ROUTING = {"forwarding": "gatewaying", "weight": 1}


def _endpoint(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def ipvs_table(services: t.Sequence[Entry], vip: str, nodes: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """The director's virtual services: one per exposed port, forwarded by direct routing to the entry's nodes."""
    virtual = parse_address(vip, "the virtual address")
    addresses = {}
    for name, value in nodes.items():
        # Without an address of its own a node is reached by its name.
        address = parse_address(value or name, f"the address of node {name}")
        if address.version != virtual.version:
            needed = f"the family of the virtual address {virtual}"
            raise ExposureError(f"node {name} has address {address}: direct routing needs {needed}")
        if address == virtual:
            remedy = "give the virtual address to no host"
            raise ExposureError(f"node {name} has the virtual address {virtual} as its own: {remedy}")
        addresses[str(name)] = address
    table = []
    for entry in services:
        names = entry["nodes"] or list(addresses)
        if not names:
            raise ExposureError(f"exposed service {entry['name']} has no node to forward to: name the nodes")
        unknown = [name for name in names if name not in addresses]
        if unknown:
            known = ", ".join(addresses) or "none"
            raise ExposureError(f"exposed service {entry['name']} names node {unknown[0]!r}; known are {known}")
        for port in entry["ports"]:
            # The node takes the packet for the virtual address, so the port is the exposed one, not the pod's.
            endpoints = [_endpoint(addresses[name], port["port"]) for name in names]
            table.append(
                {
                    f"{port['protocol'].lower()}_service": _endpoint(virtual, port["port"]),
                    "scheduler": entry["scheduler"],
                    "ops": port["one_packet"],
                    "persistent": port["persistence"],
                    "real_servers": [{"real_server": endpoint, **_DIRECT_ROUTING} for endpoint in endpoints],
                }
            )
    return table
