# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs behind a Service as EndpointSlices of ours. Pure. Private to the collection.

All addresses of a slice share its ports, so there is one for each set of ports and family of addresses, and more of
them beyond 100 addresses. What is ours in a slice is recorded on it, as on Endpoints: addresses and ports that others
put into it stay. Kubernetes mirrors an Endpoints object into a slice of its own, so a Service has either Endpoints of
ours or slices of ours, but for the moment of a move.

A slice for plain clients is one that istiod leaves out: a slice that it reads would replace a WorkloadEntry of the same
address, and with it the mutual TLS of the mesh's own clients. kube-proxy reads both kinds.
"""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t

from .model import Registration, VmEndpoint
from .objects import (
    MANAGED_BY,
    RECORD_ANNOTATION,
    Operation,
    Record,
    annotate,
    base,
    operation,
    read_record,
    write_record,
)
from .subsets import JsonObject

SERVICE_LABEL = "kubernetes.io/service-name"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
UNREAD_LABEL = "multicluster.kubernetes.io/service-name"
MOST = 100

Slices = t.Mapping[str, JsonObject]


def is_slice_of_ours(body: JsonObject) -> bool:
    """Kubernetes gives its own slices all labels of their Service or Endpoints, but this one says whose it is."""
    return (body["metadata"].get("labels") or {}).get(MANAGER_LABEL) == MANAGED_BY


def of_service(slices: Slices, service: str, plain: bool) -> dict[str, JsonObject]:
    found = {}
    for name, body in slices.items():
        labels = body["metadata"].get("labels") or {}
        if labels.get(SERVICE_LABEL) == service and (UNREAD_LABEL in labels) is plain:
            found[name] = body
    return found


def members(registration: Registration, slices: Slices) -> Record:
    """The VMs that we registered in these slices of one Service."""
    found: Record = {}
    for body in slices.values():
        for address, item in _record(registration, body).items():
            known = found.get(address)
            ports = dict.fromkeys((*(known.ports if known else ()), *item.ports))
            found[address] = item._replace(ports=tuple(ports))
    return found


def has_foreign(registration: Registration, slices: Slices) -> bool:
    """Whether others put addresses into these slices of ours."""
    for body in slices.values():
        ours = _record(registration, body).keys()
        if any(not ours >= set(item.get("addresses") or []) for item in body.get("endpoints") or []):
            return True
    return False


def plan_slices(
    registration: Registration, slices: Slices, new: Record, plain: bool, staying: t.Container[str]
) -> list[Operation]:
    """Bring `slices`, all of ours for this Service, to hold the VMs of `new` and what others put into them.
    `staying` are the VMs that stay behind the Service, whatever carries them."""
    old = {name: _record(registration, body) for name, body in slices.items()}
    placed = _place(registration, old, new, plain)
    held = {address: {name for name, record in old.items() if address in record} for address in new}
    operations = []
    for name in sorted({*slices, *placed}):
        wanted = dict(placed.get(name, {}))
        before = old.get(name, {})
        # A VM whose ports change stays in its old slice until the new one is there.
        for address in before.keys() - wanted.keys():
            if address in new and not any(address in placed[other] for other in held[address] if other in placed):
                wanted[address] = before[address]
        body = _body(registration, name, slices.get(name), before, wanted, plain)
        gone = [address for address in before if address not in wanted and address in staying]
        found = operation("EndpointSlice", slices.get(name), body, (registration.name,), bool(gone))
        if found:
            operations.append(found)
    # Those that take in before those that let go.
    return sorted(operations, key=lambda item: ("create", "update", "delete").index(item.action))


def _place(
    registration: Registration, old: t.Mapping[str, Record], new: Record, plain: bool
) -> dict[str, dict[str, VmEndpoint]]:
    """Each VM in a slice: where it is, as long as its ports are that slice's, else in the first with room."""
    placed: dict[str, dict[str, VmEndpoint]] = {}
    waiting: dict[str, list[VmEndpoint]] = {}
    for item in new.values():
        stem = _stem(registration, item, plain)
        here = next((name for name in sorted(old) if _stem_of(name) == stem and item.address in old[name]), None)
        if here is None:
            waiting.setdefault(stem, []).append(item)
        else:
            placed.setdefault(here, {})[item.address] = item
    for stem, items in waiting.items():
        number = 1
        for item in items:
            while len(placed.get(f"{stem}.{number}", {})) >= MOST:
                number += 1
            placed.setdefault(f"{stem}.{number}", {})[item.address] = item
    return placed


def _stem(registration: Registration, item: VmEndpoint, plain: bool) -> str:
    family = f"ipv{ipaddress.ip_address(item.address).version}"
    ports = hashlib.sha256(",".join(sorted(str(port) for port in item.ports)).encode()).hexdigest()[:8]
    return f"{registration.name}-{'plain' if plain else 'vms'}-{family}-{ports}"


def _stem_of(name: str) -> str:
    return name.rpartition(".")[0]


def _body(
    registration: Registration, name: str, actual: JsonObject | None, before: Record, wanted: Record, plain: bool
) -> JsonObject | None:
    body = base(registration.namespace, name, actual)
    gone = before.keys() - wanted.keys()
    endpoints = [item for item in body.get("endpoints") or [] if not gone.issuperset(item.get("addresses") or [""])]
    present = {address for item in endpoints for address in item.get("addresses") or []}
    if actual is None:
        some = next(iter(wanted.values()))
        body["metadata"]["labels"].update({SERVICE_LABEL: registration.name, MANAGER_LABEL: MANAGED_BY})
        if plain:
            body["metadata"]["labels"][UNREAD_LABEL] = registration.name
        body["addressType"] = f"IPv{ipaddress.ip_address(some.address).version}"
        body["ports"] = _ports([], some)
    elif not endpoints and not wanted:
        return None
    elif wanted:
        some = next(iter(wanted.values()))
        body["ports"] = _ports(body.get("ports") or [], some)
    missing = [address for address in sorted(wanted, key=_number) if address not in present]
    body["endpoints"] = [
        *endpoints,
        *({"addresses": [address], "conditions": {"ready": True}} for address in missing),
    ]
    annotate(body, RECORD_ANNOTATION, write_record(wanted) if wanted else "")
    return body


def _ports(present: list[JsonObject], item: VmEndpoint) -> list[JsonObject]:
    """Those that are there, and what is missing of the VM's."""
    held = [(port.get("name"), port.get("port"), port.get("protocol", "TCP")) for port in present]
    missing = [
        port
        for port in sorted(item.ports, key=lambda port: (port.number, port.name))
        if (port.name, port.number, port.transport) not in held
    ]
    return [*present, *({"name": p.name, "port": p.number, "protocol": p.transport} for p in missing)]


def _record(registration: Registration, body: JsonObject) -> Record:
    return read_record(f"EndpointSlice {registration.namespace}/{body['metadata']['name']}", body)


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address))
