# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that keepalived's checks have taken out of the kernel's table: a difference that is none of ours to repair.

Whether one is such a difference is found by asking as the check does. A server's place in a service is called as by the
watcher. Private to the collection.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ..._ipvs import model, watch
from ..._ipvs.ask import Asking, Question
from ..._ipvs.wanted import Wanted, WantedServer


def _taken_out(entry: model.Entry | None, server: model.RealServer, inhibit: bool) -> bool:
    """Whether the kernel has it as a check that failed leaves it."""
    if entry is None or not server.weight:
        return False
    found = entry.servers.get(server.key)
    return found is not None and found.weight == 0 if inhibit else found is None


def suspects(table: model.Table, listed: t.Sequence[Wanted], inhibit: bool) -> list[str]:
    """Places that get no connections, though they should."""
    found = [
        place
        for one in listed
        for server, _state in one.servers or ()
        for place in _places(one, server)
        if _taken_out(table.get(one.service.key), server, inhibit)
    ]
    return list(dict.fromkeys(found))


def _places(one: Wanted, server: model.RealServer) -> list[str]:
    """None of a service without an address, which is not checked."""
    key = one.service.key
    return [] if key.fwmark else [watch.place_of(key, str(ipaddress.ip_address(server.address)))]


def questions(listed: t.Sequence[Wanted], asking: Asking) -> dict[str, Question | None]:
    """What the watcher asks of each place."""
    services = watch.services(listed, asking)
    return {f"{service.name}{server}": asked for service in services for server, asked in service.questions.items()}


def by_node(places: t.Iterable[str]) -> dict[str, list[str]]:
    """The services of each node, as people read them."""
    found: dict[str, list[str]] = {}
    for place in places:
        protocol, address, port, node = place.split("-")
        end = f"[{address}]" if ":" in address else address
        found.setdefault(node, []).append(f"{protocol} {end}:{port}")
    return found


def as_checked(
    table: model.Table, listed: t.Sequence[Wanted], inhibit: bool, failing: t.Collection[str]
) -> list[Wanted]:
    """What the table is to be, with those out that do not answer and are out already."""
    result = []
    for one in listed:
        servers: list[WantedServer] | None = None if one.servers is None else []
        for server, state in one.servers or ():
            down = any(place in failing for place in _places(one, server))
            if not (down and _taken_out(table.get(one.service.key), server, inhibit)):
                servers.append(WantedServer(server, state))  # type: ignore[union-attr]
            elif inhibit:
                servers.append(WantedServer(server._replace(weight=0), state))  # type: ignore[union-attr]
        result.append(Wanted(one.service, servers, one.state))
    return result
