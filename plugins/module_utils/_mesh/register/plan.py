# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One round of a registration: what to write next, for all Services of a namespace. Pure. Private to the collection.

Several writers need no lock: whoever wrote last reads once more, and mends what does not fit together.
"""

from __future__ import annotations

import typing as t

from . import auto, endpoints, workload_entry
from .layers import Found, Member, Recorded, Wish, World, carriers, front, layers, member, recorded
from .model import Registration, RegistrationError
from .objects import Operation, Plan, Record, base, is_ours
from .services import AUTO, ENDPOINTS, ENTRIES, SLICES, accounts_of, marked, named_targets, selector_of
from .subsets import JsonObject
from .workload import Share

FIELDS = {
    "Service": "services",
    "Endpoints": "endpoints",
    "EndpointSlice": "slices",
    "WorkloadEntry": "entries",
    "WorkloadGroup": "groups",
    "ServiceAccount": "accounts",
}


class Round(t.NamedTuple):
    operations: list[Operation]
    warnings: list[str]
    # By Service: the addresses behind it, and those that istiod has not registered yet.
    addresses: dict[str, list[str]]
    pending: dict[str, list[str]]
    # What cannot go yet, and why.
    stays: list[str]
    # Whether istiod will do more by itself.
    waiting: bool
    # The hosts of the batch whose sidecars have to be set up anew, since by what they say istiod registers them, or
    # does not.
    moving: list[str]


def simulate(world: World, operations: t.Iterable[Operation]) -> World:
    """The world after the operations."""
    kinds: dict[str, Found] = {field: dict(getattr(world, field)) for field in FIELDS.values()}
    for item in operations:
        found = kinds[FIELDS[item.kind]]
        if item.action == "delete":
            found.pop(item.name, None)
        else:
            found[item.name] = item.body
    return World(**kinds)


def plan_round(namespace: str, world: World, batch: t.Sequence[Registration], wish: Wish) -> Round:
    warnings: list[str] = []
    addresses: dict[str, list[str]] = {}
    by_service: dict[str, list[Operation]] = {item.name: [] for item in batch}
    members: list[Member] = []
    held: set[str] = set()
    known = recorded(namespace, world)
    for item in batch:
        old = layers(item, world, known)
        if _only_endpoints(world.services.get(item.name), old, wish):
            plan = _endpoints_only(item, world, wish)
            held |= {vm.service_account for address, vm in old[ENDPOINTS].items() if address in plan.addresses}
            by_service[item.name] += plan.operations
            addresses[item.name] = plan.addresses
            warnings += plan.warnings
            continue
        found = member(item, old, world, wish, known, warnings)
        members.append(found)
        by_service[item.name] += carriers(found, world)
        addresses[item.name] = sorted({address for layer in found.new.values() for address in layer})
    groups = _groups(namespace, world, members, wish, known.by_group)
    for shared in (*_entries(namespace, world, members, wish, known.by_vm), *groups.operations):
        # With the first Service of the batch; what only concerns others is left to their runs.
        first = next((name for name in by_service if name in shared.services), None)
        if first is not None:
            by_service[first].append(shared)
    stays = list(groups.stays)
    for found in members:
        by_service[found.name] += front(found, world, known, stays)
    made, unused = _accounts(namespace, world, batch, members, wish, known, held)
    pending = _pending(members, wish, known)
    operations = [*made, *(item for found in by_service.values() for item in found), *unused]
    if wish.prepare and wish.backend != AUTO:
        # A token needs its account; a VM gets requests once its sidecar is there. But whom istiod has registered gets
        # them already, and is forgotten when its sidecar has been set up anew: the new way has to be there before.
        ready = [item for found in members if found.old[AUTO] for item in by_service[found.name]]
        operations, stays, pending = [*made, *ready], [], {}
    return Round(
        operations,
        list(dict.fromkeys([*warnings, *groups.warnings])),
        addresses,
        pending,
        stays,
        waiting=bool(stays) or any(pending.values()),
        moving=_moving(members, wish, known),
    )


def _only_endpoints(service: JsonObject | None, old: t.Mapping[str, Record], wish: Wish) -> bool:
    """Whether the Service has, and shall have, nothing to do with another backend."""
    if any(old[layer] for layer in old if layer != ENDPOINTS):
        return False
    unmarked = marked(service) <= {ENDPOINTS}
    return unmarked and (wish.backend == ENDPOINTS or wish.state == "absent" and bool(old[ENDPOINTS]))


def _endpoints_only(item: Registration, world: World, wish: Wish) -> Plan:
    service, held = world.services.get(item.name), world.endpoints.get(item.name)
    if wish.state == "absent":
        return endpoints.plan_absent(item, service, held)
    return endpoints.plan_present(item, service, held, wish.purge)


def _entries(
    namespace: str, world: World, members: t.Sequence[Member], wish: Wish, old: workload_entry.ByVm
) -> list[Operation]:
    new = {address: dict(shares) for address, shares in old.items()}
    for found in members:
        _share_out(found, found.new[ENTRIES], new, wish.backend == ENTRIES)
    staying = {address for found in members for address in found.wanted}
    return workload_entry.plan_entries(namespace, world.entries, old, new, staying)


def _share_out(found: Member, layer: Record, new: workload_entry.ByVm, current: bool) -> None:
    """Put a Service's part into what its VMs are asked for."""
    selector = tuple(sorted(selector_of(found.registration, found.service).items()))
    targets = named_targets(found.service)
    for address in dict.fromkeys((*new, *layer)):
        shares = new.setdefault(address, {})
        before = shares.pop(found.name, None)
        if address in layer:
            asked = Share(layer[address], selector, targets)
            renew = current and address in found.wanted
            shares[found.name] = before._replace(item=layer[address]) if before and not renew else asked


def _groups(namespace: str, world: World, members: t.Sequence[Member], wish: Wish, old: auto.ByGroup) -> auto.Outcome:
    where = {address: group for group, vms in old.items() for address in vms}
    if wish.backend == AUTO:
        where = _chosen(members, where)
    flat: workload_entry.ByVm = {}
    for vms in old.values():
        for address, shares in vms.items():
            flat.setdefault(address, {}).update(shares)
    for found in members:
        _share_out(found, found.new[AUTO], flat, wish.backend == AUTO)
    new: auto.ByGroup = {}
    for address, shares in flat.items():
        if shares:
            group = where[address]
            renamed = {name: share._replace(item=share.item._replace(group=group)) for name, share in shares.items()}
            new.setdefault(group, {})[address] = renamed
    touched = {vm.address for found in members for vm in found.registration.endpoints}
    probes = _probes(members, where) if wish.backend == AUTO and wish.state == "present" else {}
    return auto.plan_groups(namespace, world.groups, world.entries, old, new, touched, probes)


def _chosen(members: t.Sequence[Member], known: t.Mapping[str, str]) -> dict[str, str]:
    """The group of each VM: the one that it is given, else the one where it is, else one named as its first Service."""
    given: dict[str, str] = {}
    first: dict[str, str] = {}
    for found in members:
        asked = {vm.address: vm.group for vm in found.registration.endpoints if vm.group}
        for address in found.new[AUTO]:
            first.setdefault(address, found.name)
            group = asked.get(address)
            if group and given.setdefault(address, group) != group:
                raise RegistrationError(
                    f"{address}: its Services name the WorkloadGroups {given[address]} and {group}. A VM is a member "
                    "of one: name it once."
                )
    return {**first, **known, **given}


def _probes(members: t.Sequence[Member], where: t.Mapping[str, str]) -> dict[str, JsonObject | None]:
    found: dict[str, JsonObject | None] = {}
    for item in members:
        own = {vm.address: vm.probe for vm in item.registration.endpoints}
        for address in [address for address in item.wanted if address in where]:
            group, probe = where[address], own.get(address) or item.registration.probe
            if address not in own and not probe:
                # Of a VM that this run is not about nothing is known.
                continue
            before = found.get(group)
            if before and probe and before != probe:
                raise RegistrationError(
                    f"WorkloadGroup {item.registration.namespace}/{group}: its Services give two probes, {before} and "
                    f"{dict(probe)}. A group has one: give it once (mesh_vm_probe of its VMs, or probe of a Service)."
                )
            found[group] = before or (dict(probe) if probe else None)
    return found


def _accounts(
    namespace: str,
    world: World,
    batch: t.Sequence[Registration],
    members: t.Sequence[Member],
    wish: Wish,
    known: Recorded,
    held: set[str],
) -> tuple[list[Operation], list[Operation]]:
    """ServiceAccounts to make, and those of ours that VMs of the batch used and no VM uses any more. One that was made
    stays when its VMs are registered otherwise: it is whom their sidecars are. `held` are those of VMs that stay in
    Endpoints."""
    if not wish.accounts:
        return [], []
    names = {item.name for item in batch}
    others = {
        share.item.service_account
        for vms in (known.by_vm, *known.by_group.values())
        for shares in vms.values()
        for service, share in shares.items()
        if service not in names
    }
    others = others.union(held, *(accounts_of(body) for name, body in world.services.items() if name not in names))
    before = _used(members, lambda found: found.old)
    if wish.state == "absent":
        before |= {vm.service_account for item in batch for vm in item.endpoints}
    made = [
        Operation("create", "ServiceAccount", base(namespace, name, None))
        for name in sorted(_used(members, lambda found: found.new, (ENTRIES, AUTO)) - {"default"})
        if name not in world.accounts
    ]
    needed = _used(members, lambda found: found.new) | others
    unused = [
        Operation("delete", "ServiceAccount", body, body)
        for name, body in sorted(world.accounts.items())
        if is_ours(body) and name in before and name not in needed
    ]
    return made, unused


def _used(
    members: t.Sequence[Member],
    side: t.Callable[[Member], t.Mapping[str, Record]],
    layers_of: t.Sequence[str] = (ENDPOINTS, SLICES, ENTRIES, AUTO),
) -> set[str]:
    return {vm.service_account for found in members for layer in layers_of for vm in side(found)[layer].values()}


def _moving(members: t.Sequence[Member], wish: Wish, known: Recorded) -> list[str]:
    if wish.state == "absent":
        return []

    def moves(found: Member, address: str) -> bool:
        registered = address in known.registered
        carried = any(address in found.old[layer] for layer in (ENDPOINTS, SLICES, ENTRIES))
        return carried and not registered if wish.backend == AUTO else registered

    hosts = [vm.host for found in members for vm in found.registration.endpoints if moves(found, vm.address)]
    return list(dict.fromkeys(host for host in hosts if host))


def _pending(members: t.Sequence[Member], wish: Wish, known: Recorded) -> dict[str, list[str]]:
    if wish.backend != AUTO or wish.state == "absent":
        return {}
    return {
        found.name: sorted(address for address in found.wanted if address not in known.registered) for found in members
    }
