# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""One node's part of an IPVS table: taking it out of service and back. Pure, over the options of ipvs_table."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError, parse_address

Service = t.Mapping[str, t.Any]

_KEYS = ("tcp_service", "udp_service", "sctp_service", "fwmark_service")
# What ipvs_info adds to the options.
_COUNTERS = ("statistics", "active_connections", "inactive_connections", "persistent_connections")


def name_of(service: Service) -> str:
    """A service in words; unique in a table."""
    for key in _KEYS:
        if service.get(key):
            family = " ipv6" if key == "fwmark_service" and service.get("ipv6") else ""
            return f"{key.split('_', maxsplit=1)[0]} {service[key]}{family}"
    raise ExposureError(f"a virtual service has none of {', '.join(_KEYS)}: {dict(service)}")


def _address(endpoint: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    host = str(endpoint)
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return parse_address(host, "the address of a real server")


def _options(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in item.items() if key not in _COUNTERS}


def _servers(service: Service) -> list[dict[str, t.Any]]:
    return [_options(server) for server in service.get("real_servers") or []]


def drained(services: t.Sequence[Service], addresses: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The services with the weight 0 for all real servers at the addresses."""
    away = {parse_address(address, "the address of a drained node") for address in addresses}
    result = []
    for service in services:
        servers = _servers(service)
        for server in servers:
            if _address(server["real_server"]) in away:
                server["weight"] = 0
        result.append({**_options(service), "real_servers": servers})
    return result


def node_plan(services: t.Sequence[Service], address: str, weights: t.Mapping[str, t.Mapping[str, int]] | None = None) -> dict[str, t.Any]:
    """How a node is taken out of all its services, and put back with the weights that it had.

    A service that the weights do not name was added while the node was out; it gets the weight 1.
    """
    node = parse_address(address, "the address of the node")
    weights = weights or {}
    plan: dict[str, t.Any] = {"drain": [], "undrain": [], "undrained": [], "weights": {}, "last_of": []}
    for service in services:
        name = name_of(service)
        servers = _servers(service)
        mine = [server for server in servers if _address(server["real_server"]) == node]
        remembered = weights.get(name, {})
        back = {server["real_server"]: {**server, "weight": remembered.get(server["real_server"], 1)} for server in mine}
        everybody = [back.get(server["real_server"], server) for server in servers]
        plan["undrained"].append({**_options(service), "real_servers": everybody})
        if not mine:
            continue
        out = [{**server, "state": "drained"} for server in mine]
        plan["drain"].append({**_options(service), "real_servers": out})
        plan["undrain"].append({**_options(service), "real_servers": list(back.values())})
        plan["weights"][name] = {server["real_server"]: server.get("weight", 1) for server in mine}
        if not any(server.get("weight", 1) > 0 for server in servers if server not in mine):
            plan["last_of"].append(name)
    return plan
