# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registered VMs that belong to nobody any more: not in the inventory, and silent. Pure.

Whether a VM is silent is istiod's word where istiod registers VMs, for a sidecar that runs is connected. Otherwise
nobody who asked got an answer from it. Since when stands in an annotation on the object that carries the VM, which is
taken away as soon as the VM is heard of, or in the inventory again. Private to the collection.
"""

from __future__ import annotations

import datetime
import json
import re
import typing as t

from . import endpoint_slice
from .endpoint_slice import SERVICE_LABEL
from .layers import World, layers, recorded
from .model import Registration, VmEndpoint
from .objects import RECORD_ANNOTATION, Operation, annotate, annotation, compact
from .services import AUTO, ENDPOINTS, ENTRIES, PLAIN, SLICES
from .subsets import JsonObject
from .workload_entry import DISCONNECTED_ANNOTATION, entry_name

SILENT_ANNOTATION = "mesh.expansion/silent"
CONNECTED_ANNOTATION = "istio.io/connectedAt"
CONNECTED, ANSWERS, SILENT, UNKNOWN = "connected", "answers", "silent", "not asked"
# A machine answers there, whatever becomes of its services.
SSH = 22

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
_FIELDS = {"Endpoints": "endpoints", "EndpointSlice": "slices", "WorkloadEntry": "entries", "WorkloadGroup": "groups"}

Carrier = t.Tuple[str, str]
"""Kind and name of an object."""


class Standing(t.NamedTuple):
    """A VM that is registered in a namespace."""

    namespace: str
    address: str
    host: str
    services: tuple[str, ...]
    ports: tuple[int, ...]
    # The objects that hold it.
    carriers: tuple[Carrier, ...]
    # Whether nothing but istiod's own registration carries it.
    by_istiod: bool

    @property
    def objects(self) -> list[str]:
        return [f"{kind} {self.namespace}/{name}" for kind, name in self.carriers]


class Orphan(t.NamedTuple):
    """One that is not in the inventory, and what is known of it."""

    standing: Standing
    state: str
    since: datetime.datetime | None = None


class Inventory(t.NamedTuple):
    """What the inventory knows: which VM is behind which Service, and all addresses of hosts."""

    behind: t.Collection[tuple[str, str, str]]
    addresses: t.Collection[str]


class Outcome(t.NamedTuple):
    orphans: list[Orphan]
    # VMs of the inventory behind Services that it does not put them behind.
    surplus: list[Standing]
    # The writes that remember since when who is silent.
    operations: list[Operation]


def plan(
    namespace: str, world: World, known: Inventory, answering: t.Collection[str] | None, now: datetime.datetime
) -> Outcome:
    """C(answering) are the addresses that answered; without them nobody was asked."""
    found = standings(namespace, world)
    orphans = [_judged(item, world, answering, now) for item in found if item.address not in known.addresses]
    surplus = []
    for item in found:
        more = tuple(s for s in item.services if (namespace, s, item.address) not in known.behind)
        if item.address in known.addresses and more:
            surplus.append(item._replace(services=more))
    return Outcome(orphans, surplus, _notes(namespace, world, orphans))


def standings(namespace: str, world: World) -> list[Standing]:
    """All VMs that are recorded as registered, whoever they are."""
    known = recorded(namespace, world)
    names = {
        *(name for name, body in world.endpoints.items() if annotation(body, RECORD_ANNOTATION)),
        *(str((body["metadata"].get("labels") or {}).get(SERVICE_LABEL) or "") for body in world.slices.values()),
        *(service for shares in known.by_vm.values() for service in shares),
        *(service for vms in known.by_group.values() for shares in vms.values() for service in shares),
    }
    behind: dict[str, dict[str, VmEndpoint]] = {}
    carriers: dict[str, dict[Carrier, None]] = {}
    by: dict[str, set[str]] = {}
    for name in sorted(names - {""}):
        item = Registration(namespace, name, ())
        for layer, record in layers(item, world, known).items():
            for address, vm in record.items():
                before = behind.setdefault(address, {}).get(name, vm)
                ports = tuple(dict.fromkeys((*before.ports, *vm.ports)))
                behind[address][name] = before._replace(ports=ports, host=before.host or vm.host)
                by.setdefault(address, set()).add(layer)
                held = carriers.setdefault(address, {})
                held.update(dict.fromkeys(_carriers(item, layer, address, world, known.by_group)))
    return [
        Standing(
            namespace,
            address,
            next((vm.host for vm in shares.values() if vm.host), ""),
            tuple(shares),
            tuple(sorted({p.number for vm in shares.values() for p in vm.ports if p.transport == "TCP"})),
            tuple(carriers[address]),
            by[address] <= {AUTO, PLAIN} and AUTO in by[address],
        )
        for address, shares in sorted(behind.items())
    ]


def _carriers(
    item: Registration, layer: str, address: str, world: World, groups: t.Mapping[str, t.Any]
) -> t.Iterator[Carrier]:
    if layer == ENDPOINTS:
        yield "Endpoints", item.name
    elif layer == ENTRIES:
        yield "WorkloadEntry", entry_name(address)
    elif layer == AUTO:
        yield from (("WorkloadGroup", name) for name, vms in groups.items() if address in vms)
    elif layer in (SLICES, PLAIN):
        for name, body in endpoint_slice.of_service(world.slices, item.name, layer == PLAIN).items():
            if address in endpoint_slice.members(item, {name: body}):
                yield "EndpointSlice", name


def _judged(item: Standing, world: World, answering: t.Collection[str] | None, now: datetime.datetime) -> Orphan:
    entries = recorded(item.namespace, world).registered.get(item.address, [])
    connected = [body for body in entries if not annotation(body, DISCONNECTED_ANNOTATION)]
    if connected:
        return Orphan(item, CONNECTED, moment(annotation(connected[0], CONNECTED_ANNOTATION)))
    if not item.by_istiod and answering is None:
        return Orphan(item, UNKNOWN, _noted(item, world))
    if not item.by_istiod and item.address in (answering or ()):
        return Orphan(item, ANSWERS)
    times = [_noted(item, world), *(moment(annotation(body, DISCONNECTED_ANNOTATION)) for body in entries)]
    return Orphan(item, SILENT, min([now, *(found for found in times if found)]))


def is_due(orphan: Orphan, after: float, now: datetime.datetime) -> bool:
    """Whether it has been silent for so many seconds."""
    return orphan.state == SILENT and orphan.since is not None and (now - orphan.since).total_seconds() >= after


def removal(orphans: t.Iterable[Orphan]) -> list[JsonObject]:
    """The batch that takes them out, for M(mesh.expansion.istio_register)."""
    found: dict[tuple[str, str], list[JsonObject]] = {}
    for orphan in orphans:
        item = orphan.standing
        for service in item.services:
            found.setdefault((item.namespace, service), []).append({"address": item.address, "host": item.host})
    return [{"namespace": where, "name": name, "endpoints": vms} for (where, name), vms in found.items()]


def questions(orphans: t.Iterable[Orphan]) -> list[JsonObject]:
    """Whom to ask, and on which ports, before it is known who is silent."""
    return [
        {"address": item.address, "ports": sorted({SSH, *item.ports})}
        for item in (orphan.standing for orphan in orphans if orphan.state == UNKNOWN)
    ]


# since when


def moment(text: str) -> datetime.datetime | None:
    """As istiod and this write it; the parts of a second do not matter."""
    found = _TIME.fullmatch(text)
    return datetime.datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")) if found else None


def written(when: datetime.datetime) -> str:
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _noted(item: Standing, world: World) -> datetime.datetime | None:
    kind, name = item.carriers[0]
    return moment(_read(getattr(world, _FIELDS[kind])[name]).get(item.address, ""))


def _read(body: JsonObject) -> dict[str, str]:
    """A note that somebody edited is none."""
    try:
        found = json.loads(annotation(body, SILENT_ANNOTATION) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _notes(namespace: str, world: World, orphans: t.Sequence[Orphan]) -> list[Operation]:
    wanted: dict[Carrier, dict[str, str]] = {}
    for orphan in orphans:
        if orphan.since is not None and orphan.state in (SILENT, UNKNOWN):
            first = orphan.standing.carriers[0]
            wanted.setdefault(first, {})[orphan.standing.address] = written(orphan.since)
    operations = []
    for kind, field in _FIELDS.items():
        for name, body in getattr(world, field).items():
            note = compact(wanted[kind, name]) if (kind, name) in wanted else ""
            if annotation(body, SILENT_ANNOTATION) != note:
                after = {**body, "metadata": {**body["metadata"]}}
                annotate(after, SILENT_ANNOTATION, note)
                operations.append(Operation("update", kind, after, body))
    return operations
