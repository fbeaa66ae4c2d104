# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest sequence of operations that leads from the actual to the wanted table. Pure.
Private to the collection."""

from __future__ import annotations

import typing as t

from . import model
from .wanted import ABSENT, DRAINED, Wanted, WantedServer

PURGE_NONE, PURGE_SERVERS, PURGE_SERVICES, PURGE_ALL = "none", "real_servers", "services", "all"
PURGE = (PURGE_NONE, PURGE_SERVERS, PURGE_SERVICES, PURGE_ALL)

ADD_SERVICE, SET_SERVICE, DELETE_SERVICE = "add_service", "set_service", "delete_service"
ADD_SERVER, SET_SERVER, DELETE_SERVER = "add_server", "set_server", "delete_server"
DELETIONS = frozenset((DELETE_SERVICE, DELETE_SERVER))


class Operation(t.NamedTuple):
    """One request to the kernel."""

    kind: str
    service: model.Service
    server: model.RealServer | None = None

    def __str__(self) -> str:
        """As the command line of ipvsadm that does the same."""
        key = self.service.key
        if self.server is None:
            return (
                f"-D {key}"
                if self.kind == DELETE_SERVICE
                else f"-{'A' if self.kind == ADD_SERVICE else 'E'} {self.service.arguments}"
            )
        if self.kind == DELETE_SERVER:
            return f"-d {key} -r {self.server.name}"
        return f"-{'a' if self.kind == ADD_SERVER else 'e'} {key} -r {self.server.arguments}"

    @property
    def deletes(self) -> bool:
        return self.kind in DELETIONS


def plan(
    actual: model.Table, wanted: t.Sequence[Wanted], purge: str = PURGE_SERVERS, vips: t.Collection[bytes] = ()
) -> list[Operation]:
    """Additions and changes come first, deletions last:
    there is always a real server to go to, if there was one and will be one."""
    build: list[Operation] = []
    remove: list[Operation] = []
    for one in wanted:
        entry = actual.get(one.service.key)
        if one.state == ABSENT:
            if entry is not None:
                remove.append(Operation(DELETE_SERVICE, entry.service))
            continue
        present: t.Mapping[model.ServerKey, model.RealServer] = {}
        if entry is None:
            build.append(Operation(ADD_SERVICE, one.service))
        else:
            present = entry.servers
            if entry.service != one.service:
                build.append(Operation(SET_SERVICE, one.service))
        if one.servers is not None:
            _plan_servers(one.service, present, one.servers, purge != PURGE_NONE, build, remove)
    if purge in (PURGE_SERVICES, PURGE_ALL):
        keep = {one.service.key for one in wanted}
        for key in sorted(actual):
            if key not in keep and (purge == PURGE_ALL or (not key.fwmark and key.address in vips)):
                remove.append(Operation(DELETE_SERVICE, actual[key].service))
    return build + remove


def _plan_servers(
    service: model.Service,
    present: t.Mapping[model.ServerKey, model.RealServer],
    wanted: t.Sequence[WantedServer],
    exact: bool,
    build: list[Operation],
    remove: list[Operation],
) -> None:
    raised: list[Operation] = []
    lowered: list[Operation] = []
    listed = set()
    for server, state in wanted:
        key = server[:2]
        listed.add(key)
        found = present.get(key)
        if state == ABSENT:
            if found is not None:
                remove.append(Operation(DELETE_SERVER, service, found))
            continue
        if state == DRAINED:
            # What is not there has no connections.
            if found is not None and found.weight:
                lowered.append(Operation(SET_SERVER, service, found._replace(weight=0)))
            continue
        if found is None:
            build.append(Operation(ADD_SERVER, service, server))
        elif found != server:
            # A server that leaves the rotation waits for those that enter it.
            (lowered if server.weight < found.weight else raised).append(Operation(SET_SERVER, service, server))
    build += raised + lowered
    if exact:
        remove.extend(Operation(DELETE_SERVER, service, present[key]) for key in sorted(present) if key not in listed)


def simulate(actual: model.Table, operations: t.Iterable[Operation]) -> dict[model.ServiceKey, model.Entry]:
    """The table after the operations. Entries that they do not touch are the same objects."""
    table = dict(actual)
    opened: dict[model.ServiceKey, dict[model.ServerKey, model.RealServer]] = {}
    for kind, service, server in operations:
        key = service.key
        if kind == DELETE_SERVICE:
            table.pop(key, None)
            opened.pop(key, None)
            continue
        if key not in opened:
            opened[key] = dict(table[key].servers) if key in table else {}
            table[key] = model.Entry(table[key].service if key in table else service, opened[key])
        if server is None:
            table[key] = model.Entry(service, opened[key])
        elif kind == DELETE_SERVER:
            opened[key].pop(server.key, None)
        else:
            opened[key][server.key] = server
    return table


def touched(operations: t.Iterable[Operation]) -> set[model.ServiceKey]:
    return {operation.service.key for operation in operations}
