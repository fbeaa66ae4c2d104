# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layer carries which VM of a Service, before and after a round. Pure. Private to the collection.

A VM is carried by one layer: by the backend that is wanted, and for plain clients by slices of their own beside it.
When it moves, the new layer is written first, and what follows waits for a reading of the API that shows it there; each
step is a round of its own. To a backend that selects, the Service gets its selector, then the old layer lets the VM go.
From one that selects it is the other way round: an entry whose Service does not select it any more takes the port from
the VM's own sidecar, which answers 503 until it has all of its new configuration.
"""

from __future__ import annotations

import typing as t

from . import auto, endpoint_slice, endpoints, workload_entry
from .model import Registration
from .objects import Operation, Record, is_ours, operation
from .services import (
    AUTO,
    ENDPOINTS,
    ENTRIES,
    PLAIN,
    SELECTING,
    SLICES,
    plan_service,
    refuse_external_name,
    refuse_foreign,
    selector_of,
)
from .subsets import JsonObject

Found = t.Dict[str, JsonObject]
"""Objects of one kind in a namespace, by name."""


class World(t.NamedTuple):
    """What was read of a namespace: Services that are wanted or ours, all WorkloadEntries and ServiceAccounts, of the
    other kinds what is ours."""

    services: Found
    endpoints: Found
    slices: Found
    entries: Found
    groups: Found
    accounts: Found


class Wish(t.NamedTuple):
    """What is the same for all Services of a call."""

    state: str = "present"
    backend: str = ENDPOINTS
    purge: bool = False
    # Whether ServiceAccounts are made that are missing.
    accounts: bool = True
    # Only what sidecars need before they connect.
    prepare: bool = False


class Recorded(t.NamedTuple):
    """What the objects of a namespace say that is registered, by VM and by group."""

    by_vm: workload_entry.ByVm
    by_group: auto.ByGroup
    # By istiod itself.
    registered: t.Mapping[str, list[JsonObject]]


class Member(t.NamedTuple):
    """One Service of the batch, before and after the round."""

    registration: Registration
    service: JsonObject | None
    wish: Wish
    wanted: Record
    old: dict[str, Record]
    new: dict[str, Record]

    @property
    def name(self) -> str:
        return self.registration.name


def recorded(namespace: str, world: World) -> Recorded:
    return Recorded(
        workload_entry.by_vm(namespace, world.entries),
        auto.by_group(namespace, world.groups),
        auto.registered(world.entries),
    )


def layers(item: Registration, world: World, known: Recorded) -> dict[str, Record]:
    """Our VMs behind a Service, by the layer that carries them."""
    groups = list(known.by_group.values())
    return {
        ENDPOINTS: endpoints.members(item, world.endpoints.get(item.name)),
        SLICES: endpoint_slice.members(item, endpoint_slice.of_service(world.slices, item.name, plain=False)),
        ENTRIES: _of(item.name, known.by_vm),
        AUTO: {address: vm for vms in groups for address, vm in _of(item.name, vms).items()},
        PLAIN: endpoint_slice.members(item, endpoint_slice.of_service(world.slices, item.name, plain=True)),
    }


def _of(service: str, vms: workload_entry.ByVm) -> Record:
    return {address: shares[service].item for address, shares in vms.items() if service in shares}


def way(service: JsonObject | None, old: t.Mapping[str, Record], wish: Wish) -> Wish:
    """Endpoints and a selector exclude each other, so the way from one to the other leads over slices."""
    if wish.state == "absent" or wish.backend != ENDPOINTS or service is None or not is_ours(service):
        return wish
    selects = bool(_selector(service) or old[ENTRIES] or old[AUTO])
    return wish._replace(backend=SLICES) if selects else wish


def member(
    item: Registration, old: dict[str, Record], world: World, call: Wish, known: Recorded, warnings: list[str]
) -> Member:
    service = world.services.get(item.name)
    wish = way(service, old, call)
    if wish.state == "absent":
        leaving = {endpoint.address for endpoint in item.endpoints}
        left = {layer: {a: vm for a, vm in held.items() if a not in leaving} for layer, held in old.items()}
        return Member(item, service, wish, {}, old, left)
    refuse_external_name(item, service)
    wanted = _wanted(item, old, wish, world.entries, warnings)
    if service is not None and not is_ours(service):
        refuse_foreign(item, service, wish.backend, wanted)
    new: dict[str, Record] = {layer: {} for layer in old}
    new[wish.backend] = dict(wanted)
    if item.plain_clients and wish.backend in SELECTING:
        new[PLAIN] = {address: vm.plain() for address, vm in wanted.items()}
    seen = _held(wish.backend, old, known)
    if new[PLAIN]:
        seen &= set(old[PLAIN])
    if wish.backend in SELECTING and not _selects_as_wanted(item, service, wish):
        seen = set()
    for layer, held in new.items():
        held.update({a: vm for a, vm in old[layer].items() if a not in held and a in wanted and a not in seen})
    return Member(item, service, wish, wanted, old, new)


def _wanted(item: Registration, old: dict[str, Record], wish: Wish, entries: Found, warnings: list[str]) -> Record:
    """All VMs of ours behind the Service from now on: those of the batch, and those that were registered before."""
    before: Record = {}
    for layer in sorted(old, key=lambda name: name == wish.backend):
        if layer != PLAIN:
            before.update(old[layer])
    wanted = {} if wish.purge else dict(before)
    theirs = workload_entry.held_by_others(entries) if wish.backend == ENTRIES else {}
    for vm in item.endpoints:
        if vm.address in theirs:
            warnings.append(
                f"{vm.address} has the WorkloadEntry {item.namespace}/{theirs[vm.address]} already, written by "
                "somebody else; it is left to them. Delete it and run again to have it written here."
            )
            wanted.pop(vm.address, None)
            continue
        known = before.get(vm.address)
        if known and known.host and vm.host and known.host != vm.host:
            warnings.append(
                f"{vm.address} behind Service {item.label} was registered for host {known.host} and is now registered "
                f"for {vm.host}."
            )
        wanted[vm.address] = vm
    warnings += _moved(item, wanted)
    if wish.backend in SELECTING:
        return wanted
    return {address: vm.plain() for address, vm in wanted.items()}


def _moved(item: Registration, wanted: Record) -> t.Iterator[str]:
    """Addresses that a VM of the batch had before."""
    now = {vm.host: vm.address for vm in item.endpoints if vm.host}
    listed = {vm.address for vm in item.endpoints}
    for address, vm in wanted.items():
        if address not in listed and vm.host in now:
            yield (
                f"{vm.host} is behind Service {item.label} with {now[vm.host]}, and also with {address}, from an "
                "earlier run. If that is no address of it any more, run for all VMs with registration_purge: true."
            )


def _held(backend: str, old: t.Mapping[str, Record], known: Recorded) -> set[str]:
    """The VMs that the backend carries already, as far as those can see that send requests."""
    held = set(old[backend])
    return held & set(known.registered) if backend == AUTO else held


def _selects_as_wanted(item: Registration, service: JsonObject | None, wish: Wish) -> bool:
    if service is None or not is_ours(service):
        return service is not None
    return _selector(service) == (selector_of(item, service) if wish.backend in SELECTING else {})


def _selector(service: JsonObject) -> dict[str, str]:
    return (service.get("spec") or {}).get("selector") or {}


def _still_selected(found: Member, known: Recorded, stays: list[str]) -> bool:
    """Whether istiod's own entries are behind the Service: they go when the VMs' sidecars name no group any more."""
    selector = _selector(found.service) if found.service and is_ours(found.service) else {}
    if not selector:
        return False
    theirs = [
        address
        for address in found.wanted
        for body in known.registered.get(address, [])
        if selector.items() <= ((body.get("spec") or {}).get("labels") or {}).items()
    ]
    if theirs:
        stays.append(
            f"Service {found.registration.label} keeps its selector: istiod has registered {', '.join(sorted(theirs))} "
            "itself. Set the sidecars up again without a WorkloadGroup, then run again."
        )
    return bool(theirs)


def carriers(found: Member, world: World) -> list[Operation]:
    """Endpoints and slices of one Service."""
    item, operations = found.registration, []
    if found.old[ENDPOINTS] or found.new[ENDPOINTS]:
        held = world.endpoints.get(found.name)
        operations += endpoints.plan_carrier(item, held, found.new[ENDPOINTS], found.wanted)
    for layer in (SLICES, PLAIN):
        slices = endpoint_slice.of_service(world.slices, found.name, layer == PLAIN)
        operations += endpoint_slice.plan_slices(item, slices, found.new[layer], layer == PLAIN, found.wanted)
    return operations


def front(found: Member, world: World, known: Recorded, stays: list[str]) -> list[Operation]:
    """The Service itself."""
    service, wish = found.service, found.wish
    backend = wish.backend
    if wish.state == "absent":
        # Who stays is carried as before.
        backend = next((layer for layer in (AUTO, ENTRIES, SLICES, ENDPOINTS) if found.new[layer]), backend)
    # Kubernetes writes into Endpoints as soon as their Service selects, and istiod looks at entries only then.
    careful = bool(found.old[ENDPOINTS]) or backend not in SELECTING
    carried = not careful or _held(backend, found.old, known) >= set(found.wanted)
    if wish.state == "present" and backend not in SELECTING:
        carried = carried and not found.old[ENTRIES] and not _still_selected(found, known, stays)
    foreign = endpoint_slice.has_foreign(
        found.registration, endpoint_slice.of_service(world.slices, found.name, plain=False)
    ) or bool(endpoints.foreign_entries(world.endpoints.get(found.name), found.old[ENDPOINTS]))
    body = plan_service(
        found.registration,
        service,
        backend,
        found.old,
        found.new,
        carried=carried and wish.state == "present",
        foreign=foreign,
    )
    switched = service is not None and body is not None and _selector(service) != _selector(body)
    result = operation("Service", service, body, (found.name,), switched)
    return [result] if result else []
