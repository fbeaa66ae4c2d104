# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs behind Services as WorkloadEntries of ours: one per VM, with what all its Services ask of it. Pure.

Private to the collection.
"""

from __future__ import annotations

import ipaddress
import typing as t

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
from .workload import NOTHING, Shares, merge, put, read_shares, write_shares

# Annotations of entries that istiod writes itself.
GROUP_ANNOTATION = "istio.io/autoRegistrationGroup"
DISCONNECTED_ANNOTATION = "istio.io/disconnectedAt"

Entries = t.Mapping[str, JsonObject]
ByVm = t.Dict[str, Shares]
"""Shares by address."""


def entry_name(address: str) -> str:
    """Of our entry. istiod calls its own GROUP-ADDRESS, so the two do not meet."""
    return f"vm-{ipaddress.ip_address(address).exploded.replace(':', '-')}"


def is_registered(body: JsonObject) -> bool:
    """Whether istiod wrote it."""
    return bool((body["metadata"].get("annotations") or {}).get(GROUP_ANNOTATION))


def address_of(body: JsonObject) -> str:
    return str((body.get("spec") or {}).get("address") or "")


def by_vm(namespace: str, entries: Entries) -> ByVm:
    """What is recorded on entries of ours."""
    found: ByVm = {}
    for name, body in entries.items():
        if is_ours(body) and not is_registered(body):
            where = f"WorkloadEntry {namespace}/{name}"

            def parse(content: t.Any, body: JsonObject = body, where: str = where) -> Shares:
                return read_shares(address_of(body), content, where)

            shares = read_annotation(where, body, "labels and ports of VMs", parse)
            if shares:
                found[address_of(body)] = shares
    return found


def held_by_others(entries: Entries) -> dict[str, str]:
    """Addresses that somebody else has written an entry for, with its name."""
    return {address_of(body): name for name, body in entries.items() if not is_ours(body) and not is_registered(body)}


def plan_entries(namespace: str, entries: Entries, old: ByVm, new: ByVm, staying: t.Container[str]) -> list[Operation]:
    operations = []
    for address in dict.fromkeys((*new, *old)):
        name = entry_name(address)
        actual = entries.get(name)
        shares = new.get(address, {})
        if not shares and address not in old:
            continue
        services = tuple(dict.fromkeys((*shares, *old.get(address, {}))))
        body = _body(namespace, name, actual, address, old.get(address, {}), shares)
        found = operation("WorkloadEntry", actual, body, services, not shares and address in staying)
        if found:
            operations.append(found)
    return operations


def _body(
    namespace: str, name: str, actual: JsonObject | None, address: str, old: Shares, shares: Shares
) -> JsonObject | None:
    if not shares:
        return None
    where = f"WorkloadEntry {namespace}/{name}"
    body = base(namespace, name, actual, flat=True)
    spec = body.setdefault("spec", {})
    spec["address"] = address
    labels = dict(spec.get("labels") or {})
    put(where, spec, labels, merge(where, old) if old else NOTHING, merge(where, shares))
    spec["labels"] = labels
    annotate(body, RECORD_ANNOTATION, compact(write_shares(shares)))
    return body
