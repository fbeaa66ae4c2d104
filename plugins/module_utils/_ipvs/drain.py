# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers that get no new connections: which, until when, and a whole node of a table. Private to the collection.

The first half is over values of the package, the second half over services in the form of the modules' options:
what a user left out stays left out.
"""

from __future__ import annotations

import ipaddress
import time
import typing as t

from . import model
from .errors import ValidationError
from .options import KEY_OPTIONS
from .wanted import ABSENT, DRAINED, Wanted, WantedServer


class Drained(t.NamedTuple):
    """A real server that gets no new connections, and the connections it still has."""

    service: model.ServiceKey
    server: model.ServerKey
    connections: model.Connections
    # Whether none of any kind is left. Inactive ones count: with direct routing the kernel sees one direction only,
    # so a connection that the client has half closed is inactive; and all of UDP is.
    gone: bool

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "service": str(self.service),
            "real_server": model.endpoint(*self.server),
            "active_connections": self.connections.active,
            "inactive_connections": self.connections.inactive,
            "persistent_connections": self.connections.persistent,
            "gone": self.gone,
        }


Progress = t.Callable[[t.Sequence[Drained], float], None]
States = t.Callable[[t.Callable[[model.ServiceKey], bool]], t.Sequence[model.ServiceState]]


def drained_keys(wanted: t.Iterable[Wanted]) -> list[tuple[model.ServiceKey, model.ServerKey]]:
    return [(one.service.key, server.key) for one in wanted for server, state in one.servers or () if state == DRAINED]


def without_drained(wanted: t.Iterable[Wanted]) -> list[Wanted]:
    """What is wanted once the drained servers may go."""
    result = []
    for one in wanted:
        servers = one.servers
        if servers is not None:
            servers = [WantedServer(server, ABSENT if state == DRAINED else state) for server, state in servers]
        result.append(Wanted(one.service, servers, one.state))
    return result


def wait_drained(
    read_states: States,
    wanted: t.Sequence[Wanted],
    timeout: float,
    progress: Progress | None = None,
    interval: float = 1.0,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> list[Drained]:
    """Looks until no drained server has a connection, or the time is over.
    Servers that are not in the table have none."""
    keys = drained_keys(wanted)
    if not keys:
        return []
    started = clock()
    services = {service for service, _server in keys}
    while True:
        counts = {
            (state.service.key, server.server.key): server.connections
            for state in read_states(services.__contains__)
            for server in state.servers
        }
        found = []
        for service, server in keys:
            connections = counts.get((service, server), model.Connections())
            found.append(Drained(service, server, connections, not sum(connections)))
        waited = clock() - started
        if progress is not None:
            progress(found, waited)
        if all(one.gone for one in found) or waited >= timeout:
            return found
        sleep(min(interval, timeout - waited))


def progress_line(one: t.Mapping[str, t.Any], waited: float) -> str:
    """How far draining is, of one real server as `Drained.as_dict` gives it."""
    return (
        f"draining {one['real_server']} of {one['service']} for {waited:.0f} s: {one['active_connections']} active, "
        f"{one['inactive_connections']} inactive, {one['persistent_connections']} persistent connections"
    )


Service = t.Mapping[str, t.Any]
Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

# What ipvs_info adds to the options.
_COUNTERS = ("statistics", "active_connections", "inactive_connections", "persistent_connections")


def name_of(service: Service) -> str:
    """A service in words; unique in a table."""
    for key in KEY_OPTIONS:
        if service.get(key):
            family = " ipv6" if key == "fwmark_service" and service.get("ipv6") else ""
            return f"{key.split('_', maxsplit=1)[0]} {service[key]}{family}"
    raise ValidationError([f"a virtual service has none of {', '.join(KEY_OPTIONS)}: {dict(service)}"])


def _parse(value: t.Any, what: str) -> Address:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        raise ValidationError([f"{what} is {value!r}; it must be an IP address"]) from None


def address_of(endpoint: str) -> Address:
    """The address of a real server in the options: with or without a port, in brackets or not."""
    host = str(endpoint)
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return _parse(host, "the address of a real server")


def _options(item: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in item.items() if key not in _COUNTERS}


def _servers(service: Service) -> list[dict[str, t.Any]]:
    return [_options(server) for server in service.get("real_servers") or []]


def drained(services: t.Sequence[Service], addresses: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """The services with the weight 0 for all real servers at the addresses."""
    away = {_parse(address, "the address of a drained node") for address in addresses}
    result = []
    for service in services:
        servers = _servers(service)
        for server in servers:
            if address_of(server["real_server"]) in away:
                server["weight"] = 0
        result.append({**_options(service), "real_servers": servers})
    return result


def node_plan(
    services: t.Sequence[Service], address: str, weights: t.Mapping[str, t.Mapping[str, int]] | None = None
) -> dict[str, t.Any]:
    """How a node is taken out of all its services, and put back with the weights that it had.

    A service that the weights do not name was added while the node was out; it gets the weight 1.
    """
    node = _parse(address, "the address of the node")
    weights = weights or {}
    plan: dict[str, t.Any] = {"drain": [], "undrain": [], "undrained": [], "weights": {}, "last_of": []}
    for service in services:
        name = name_of(service)
        servers = _servers(service)
        mine = [server for server in servers if address_of(server["real_server"]) == node]
        remembered = weights.get(name, {})
        back = {
            server["real_server"]: {**server, "weight": remembered.get(server["real_server"], 1)} for server in mine
        }
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
