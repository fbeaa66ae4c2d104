# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking VMs out of the endpoints of their Services for a while, and back, however they are registered. Pure.

Nothing of the registration goes: an address of Endpoints or of a slice is marked as not ready, a WorkloadEntry as
unhealthy. The objects say so themselves, so a later registration leaves it at that. An entry that lost its labels would
leave the Services too, but then the VM's own sidecar loses the port while requests are on their way. Private to the
collection.
"""

from __future__ import annotations

import copy
import typing as t

from .endpoint_slice import SERVICE_LABEL, is_slice_of_ours
from .objects import RECORD_ANNOTATION, Operation, annotate, annotation, is_ours
from .subsets import JsonObject, pack, unpack
from .workload_entry import address_of, is_registered

# istiod takes an entry with it for an endpoint only while its condition says that it is healthy.
CHECKED_ANNOTATION = "proxy.istio.io/health-checks-enabled"
# On an entry of ours that nobody else gives a condition.
DRAINED_ANNOTATION = "mesh.expansion/drained"
HEALTHY, REASON = "Healthy", "Drained"
STATUS = "status of WorkloadEntry"

Found = t.Mapping[str, JsonObject]


class Seen(t.NamedTuple):
    """What was read of a namespace: all objects, whoever wrote them."""

    services: Found
    endpoints: Found
    slices: Found
    entries: Found


class Outcome(t.NamedTuple):
    operations: list[Operation]
    # The Services that each of the VMs is registered behind.
    services: dict[str, list[str]]
    # Those that would be left without anybody who takes requests.
    last: list[str]


def plan(namespace: str, seen: Seen, addresses: t.Collection[str], drained: bool, now: str) -> Outcome:
    operations: list[Operation] = []
    behind: dict[str, set[str]] = {}

    def note(address: str, services: t.Iterable[str]) -> None:
        behind.setdefault(address, set()).update(services)

    for name, body in seen.endpoints.items():
        ours = {item.ip for item in unpack(body.get("subsets"))} & set(addresses)
        if ours and annotation(body, RECORD_ANNOTATION):
            operations += _endpoints(name, body, ours, drained)
            for address in ours:
                note(address, [name])
    for name, body in seen.slices.items():
        if is_slice_of_ours(body):
            ours = {address for item in body.get("endpoints") or [] for address in item["addresses"]} & set(addresses)
            service = _service_of(body)
            operations += _slice(body, ours, service, drained)
            for address in ours:
                note(address, [service])
    for body in seen.entries.values():
        if address_of(body) in addresses and (is_ours(body) or is_registered(body)):
            services = [name for name, service in seen.services.items() if selects(service, body)]
            operations += _entry(body, tuple(services), drained, now)
            note(address_of(body), services)
    touched = {name for services in behind.values() for name in services}
    last = [name for name in sorted(touched) if drained and _is_last(name, seen, addresses)]
    return Outcome(
        operations,
        {address: sorted(f"{namespace}/{name}" for name in services) for address, services in sorted(behind.items())},
        [f"{namespace}/{name}" for name in last],
    )


def selects(service: JsonObject, entry: JsonObject) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    labels = {**((entry.get("spec") or {}).get("labels") or {}), **(entry["metadata"].get("labels") or {})}
    return bool(selector) and selector.items() <= labels.items()


def is_healthy(entry: JsonObject) -> bool:
    """As istiod sees it."""
    if annotation(entry, CHECKED_ANNOTATION) != "true":
        return True
    return any(item.get("type") == HEALTHY and item.get("status") == "True" for item in _conditions(entry))


def is_drained(entry: JsonObject) -> bool:
    return bool(annotation(entry, DRAINED_ANNOTATION)) or any(
        item.get("type") == HEALTHY and item.get("reason") == REASON for item in _conditions(entry)
    )


def serving(service: str, seen: Seen) -> set[str]:
    """The addresses that take requests for a Service now."""
    found = {item.ip for item in unpack((seen.endpoints.get(service) or {}).get("subsets")) if item.ready}
    for body in seen.slices.values():
        if _service_of(body) == service:
            ready = [item for item in body.get("endpoints") or [] if (item.get("conditions") or {}).get("ready", True)]
            found.update(address for item in ready for address in item["addresses"])
    front = seen.services.get(service)
    if front is not None:
        found.update(address_of(body) for body in seen.entries.values() if selects(front, body) and is_healthy(body))
    return found


def _is_last(service: str, seen: Seen, addresses: t.Collection[str]) -> bool:
    now = serving(service, seen)
    return bool(now) and now <= set(addresses)


def _service_of(body: JsonObject) -> str:
    return str((body["metadata"].get("labels") or {}).get(SERVICE_LABEL) or "")


def _endpoints(name: str, body: JsonObject, ours: set[str], drained: bool) -> list[Operation]:
    before = unpack(body.get("subsets"))
    after = {item._replace(ready=not drained) if item.ip in ours else item for item in before}
    if before == after:
        return []
    return [Operation("update", "Endpoints", {**body, "subsets": pack(after)}, body, (name,))]


def _slice(body: JsonObject, ours: set[str], service: str, drained: bool) -> list[Operation]:
    after = copy.deepcopy(body)
    for item in after.get("endpoints") or []:
        if ours.intersection(item["addresses"]):
            item["conditions"] = {**(item.get("conditions") or {}), "ready": not drained}
    if after == body:
        return []
    return [Operation("update", "EndpointSlice", after, body, (service,))]


def _entry(body: JsonObject, services: tuple[str, ...], drained: bool, now: str) -> list[Operation]:
    if drained == is_drained(body):
        return []
    after = copy.deepcopy(body)
    checked = annotation(body, CHECKED_ANNOTATION) == "true" and not annotation(body, DRAINED_ANNOTATION)
    if checked:
        # Its sidecar tells istiod when the health changes, not how it is: what is said here stands until then.
        after["status"] = {**(body.get("status") or {}), "conditions": _changed(body, drained, now)}
        return [Operation("update", STATUS, after, body, services)]
    # Without a condition it counts as unhealthy as soon as it is said to be checked.
    annotate(after, CHECKED_ANNOTATION, "true" if drained else "")
    annotate(after, DRAINED_ANNOTATION, "true" if drained else "")
    return [Operation("update", "WorkloadEntry", after, body, services)]


def _changed(body: JsonObject, drained: bool, now: str) -> list[JsonObject]:
    condition = {"type": HEALTHY, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
    if drained:
        condition.update(status="False", reason=REASON, message="taken out of the endpoints by mesh.expansion")
    return [*(item for item in _conditions(body) if item.get("type") != HEALTHY), condition]


def _conditions(body: JsonObject) -> list[JsonObject]:
    return list((body.get("status") or {}).get("conditions") or [])
