# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Where the virtual address belongs on a host, from the host's facts. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError, parse_address


def _networks(interface: t.Mapping[str, t.Any]) -> t.Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    ipv4 = interface.get("ipv4") or {}
    for item in [ipv4, *(interface.get("ipv4_secondaries") or []), *(interface.get("ipv6") or [])]:
        if item.get("address"):
            prefix = item.get("prefix") or item.get("netmask")
            yield ipaddress.ip_network(f"{item['address']}/{prefix}", strict=False)


def vip_interface(facts: t.Mapping[str, t.Any], vip: str) -> str:
    """The interface whose subnet holds the virtual address."""
    address = parse_address(vip, "the virtual address")
    if "interfaces" not in facts:
        raise ExposureError("the facts hold no interfaces: gather the network facts of the host first")
    lengths: dict[str, int] = {}
    for name in facts["interfaces"]:
        # A fact's key has only word characters, the interface's name may have others.
        interface = facts.get(name) or facts.get("".join(char if char.isalnum() else "_" for char in name)) or {}
        for network in _networks(interface):
            # A host network is an address without a subnet: also the virtual address itself, once it is held.
            if network.prefixlen < network.max_prefixlen and network.version == address.version and address in network:
                lengths[name] = max(lengths.get(name, 0), network.prefixlen)
    best = [name for name, length in lengths.items() if length == max(lengths.values())]
    if not best:
        raise ExposureError(f"the virtual address {address} is in no subnet of the host: name the interface, or the right host")
    if len(best) > 1:
        raise ExposureError(f"the virtual address {address} is in the subnets of {', '.join(sorted(best))}: name the interface")
    return best[0]
