# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that istiod registers itself: the WorkloadGroup that it takes their entries from. Pure.

All VMs of a group are alike, so they serve the same Services on the same ports; others get a group of their own. Which
VMs are members is recorded on the group, which goes with the last of them. An entry that istiod wrote is istiod's: it
removes it ten seconds after the VM's sidecar has gone. But it makes an entry of its group once, and never looks at the
group again: what changes there is written into the entries here. While a sidecar is connected its group stays, because
without the group it could not connect again. Private to the collection.
"""

from __future__ import annotations

import typing as t

from .model import RegistrationError
from .objects import (
    RECORD_ANNOTATION,
    Operation,
    annotate,
    base,
    compact,
    is_ours,
    operation,
    read_annotation,
)
from .subsets import JsonObject
from .workload import NOTHING, Shares, Workload, merge, put, read_shares, write_shares
from .workload_entry import DISCONNECTED_ANNOTATION, GROUP_ANNOTATION, ByVm, Entries, address_of, is_registered

Groups = t.Mapping[str, JsonObject]
ByGroup = t.Dict[str, ByVm]


class Outcome(t.NamedTuple):
    operations: list[Operation]
    warnings: list[str]
    # Groups that stay for now, and why.
    stays: list[str]


def by_group(namespace: str, groups: Groups) -> ByGroup:
    """The members of groups of ours, with their Services."""
    found: ByGroup = {}
    for name, body in groups.items():
        if is_ours(body):
            where = f"WorkloadGroup {namespace}/{name}"

            def parse(content: t.Any, where: str = where) -> ByVm:
                return {
                    address: _renamed(read_shares(address, content["services"], where), host)
                    for address, host in content["members"].items()
                }

            members = read_annotation(where, body, "labels and ports of VMs", parse)
            if members:
                found[name] = members
    return found


def _renamed(shares: Shares, host: str) -> Shares:
    return {service: share._replace(item=share.item._replace(host=host)) for service, share in shares.items()}


def registered(entries: Entries) -> dict[str, list[JsonObject]]:
    """The entries that istiod wrote, by address."""
    found: dict[str, list[JsonObject]] = {}
    for body in entries.values():
        if is_registered(body):
            found.setdefault(address_of(body), []).append(body)
    return found


def plan_groups(
    namespace: str,
    groups: Groups,
    entries: Entries,
    old: ByGroup,
    new: ByGroup,
    touched: t.Container[str],
    probes: t.Mapping[str, JsonObject | None],
) -> Outcome:
    """`touched` are the addresses that this run is about, `probes` what it gives the groups that it is about."""
    operations: list[Operation] = []
    warnings: list[str] = []
    stays: list[str] = []
    made = _by_group(entries)
    for name in dict.fromkeys((*new, *old)):
        where = f"WorkloadGroup {namespace}/{name}"
        members = {address: shares for address, shares in new.get(name, {}).items() if shares}
        services = tuple(
            dict.fromkeys(s for vms in (members, old.get(name, {})) for item in vms.values() for s in item)
        )
        connected = sorted(address_of(body) for body in made.get(name, []) if _connected(body))
        if not members and connected and name in groups:
            stays.append(
                f"{where} stays: {', '.join(connected)} still connected to istiod as members of it. Stop their "
                "sidecars, or set them up again without this group, then run again."
            )
            continue
        shape = _shape(where, members, touched, warnings) if members else {}
        # The entries first: as long as the group says what was before, a run that was cut is made up for.
        operations += _renewed(made.get(name, []), name, members, old.get(name, {}), shape, services)
        body = _body(namespace, name, groups.get(name), old.get(name, {}), members, shape, probes)
        found = operation("WorkloadGroup", groups.get(name), body, services)
        if found:
            operations.append(found)
    return Outcome(operations, warnings, stays)


def _by_group(entries: Entries) -> dict[str, list[JsonObject]]:
    """The entries that istiod made of each group."""
    found: dict[str, list[JsonObject]] = {}
    for body in entries.values():
        if is_registered(body):
            found.setdefault(body["metadata"]["annotations"][GROUP_ANNOTATION], []).append(body)
    return found


def _connected(body: JsonObject) -> bool:
    return DISCONNECTED_ANNOTATION not in (body["metadata"].get("annotations") or {})


def _shape(where: str, members: ByVm, touched: t.Container[str], warnings: list[str]) -> Shares:
    """What all members have in common; refused when they do not."""
    mine = [address for address in members if address in touched]
    model = (mine or list(members))[0]
    shape = members[model]
    for address, shares in members.items():
        if _plain(shares) == _plain(shape):
            continue
        difference = _difference(shares, shape)
        if address in touched or shares.keys() != shape.keys():
            raise RegistrationError(
                f"{where}: {address} and {model} would be members of it, but differ in {difference}. Give one of them "
                "a group of its own (mesh_vm_group, group of the endpoint)."
            )
        warnings.append(
            f"{where}: {address} was a member with other {difference} and is not part of this run. The group says now "
            f"what {model} has; run again for that VM."
        )
    return shape


def _plain(shares: Shares) -> JsonObject:
    return write_shares(_renamed(shares, ""))


def _difference(first: Shares, second: Shares) -> str:
    if first.keys() != second.keys():
        return f"their Services ({', '.join(sorted(first))}; {', '.join(sorted(second))})"
    found = {
        key
        for service in first
        for one, other in [(_plain(first)[service], _plain(second)[service])]
        for key in {*one, *other}
        if one.get(key) != other.get(key)
    }
    return ", ".join(sorted(found))


def _body(
    namespace: str,
    name: str,
    actual: JsonObject | None,
    old: ByVm,
    members: ByVm,
    shape: Shares,
    probes: t.Mapping[str, JsonObject | None],
) -> JsonObject | None:
    if not members:
        return None
    where = f"WorkloadGroup {namespace}/{name}"
    body = base(namespace, name, actual)
    spec = body.setdefault("spec", {})
    template = spec.setdefault("template", {})
    metadata = spec.setdefault("metadata", {})
    labels = dict(metadata.get("labels") or {})
    before: Workload = merge(where, next(iter(old.values()))) if old else NOTHING
    put(where, template, labels, before, merge(where, shape))
    metadata["labels"] = labels
    record: JsonObject = {
        "members": {address: next(iter(shares.values())).item.host for address, shares in members.items()},
        "services": write_shares(_renamed(shape, "")),
    }
    _put_probe(spec, actual, record, name, probes)
    annotate(body, RECORD_ANNOTATION, compact(record))
    return body


def _renewed(
    made: t.Sequence[JsonObject], name: str, members: ByVm, old: ByVm, shape: Shares, services: tuple[str, ...]
) -> t.Iterator[Operation]:
    """The members' entries as istiod would make them of the group now, but for the account: that of an entry is the one
    that its sidecar has shown."""
    if not old or not shape:
        return
    # Any of them: the members of a group are alike.
    before, now = merge(name, list(old.values())[0]), merge(name, shape)
    for body in made:
        if address_of(body) in members:
            found = operation("WorkloadEntry", body, _entry(body, before, now), services)
            if found:
                yield found


def _entry(actual: JsonObject, before: Workload, now: Workload) -> JsonObject:
    body = base("", "", actual, flat=True)
    spec, metadata = body["spec"], body["metadata"]
    for place, key, old, new in (
        (spec, "ports", before.ports, now.ports),
        (spec, "labels", before.labels, now.labels),
        (metadata, "labels", before.labels, now.labels),
    ):
        found = _exchanged(place.get(key), old, new)
        if found or key in place:
            place[key] = found
    for key in ("network", "locality", "weight"):
        former, wanted = before.fields.get(key), now.fields.get(key)
        if wanted is not None:
            spec[key] = wanted
        elif former is not None and spec.get(key) == former:
            del spec[key]
    return body


def _exchanged(
    held: t.Mapping[str, t.Any] | None, before: t.Mapping[str, t.Any], now: t.Mapping[str, t.Any]
) -> dict[str, t.Any]:
    left = {key: value for key, value in (held or {}).items() if key in now or before.get(key) != value}
    return {**left, **now}


def _put_probe(
    spec: JsonObject,
    actual: JsonObject | None,
    record: JsonObject,
    name: str,
    probes: t.Mapping[str, JsonObject | None],
) -> None:
    ours = recorded_probe(actual)
    wanted = probes.get(name) if name in probes else ours
    if wanted:
        spec["probe"] = record["probe"] = wanted
    elif ours and spec.get("probe") == ours:
        del spec["probe"]


def recorded_probe(body: JsonObject | None) -> JsonObject | None:
    found = read_annotation("", body, "probe", lambda content: {"probe": content.get("probe")}) if body else {}
    return found.get("probe")
