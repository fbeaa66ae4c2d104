# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs behind a Service without selector as an Endpoints object: from what the API holds and what is wanted to an
ordered list of writes.

Pure. Private to the collection.

What is ours is recorded in an annotation on the Endpoints: per address its ports, ServiceAccount and host. The same
text goes on the Service, so that each registration changes both objects: whoever deletes either of them at the same
time then meets a conflict instead of losing an address. Writers follow one order, Endpoints before Service, and readers
the other one, so that a Service's port is never taken for unused while its address is on the way.
"""

from __future__ import annotations

import typing as t

from .model import Registration, RegistrationError
from .objects import (
    RECORD_ANNOTATION,
    Operation,
    Plan,
    Record,
    annotate,
    base,
    is_ours,
    operation,
    read_record,
    visible,
    write_record,
)
from .services import (
    ACCOUNTS_ANNOTATION,
    MARK_ANNOTATION,
    accounts_of,
    as_port,
    refuse_external_name,
    service_ports,
)
from .subsets import Entry, JsonObject, Port, entry, pack, unpack


def plan_present(
    registration: Registration, service: JsonObject | None, endpoints: JsonObject | None, purge: bool = False
) -> Plan:
    """Register the addresses; with `purge`, unregister those of ours that are not wanted any more."""
    _refuse_unusable(registration, service)
    old = members(registration, endpoints)
    new: Record = {} if purge else dict(old)
    new.update({endpoint.address: endpoint for endpoint in registration.endpoints})
    entries = unpack((endpoints or {}).get("subsets"))
    warnings: list[str] = []
    for endpoint in registration.endpoints:
        foreign = [port for port in endpoint.ports if _held_by_others(entries, old, endpoint.address, port)]
        if foreign:
            new[endpoint.address] = endpoint._replace(ports=tuple(p for p in endpoint.ports if p not in foreign))
            warnings.append(
                f"{endpoint.address} on {_list(foreign)} is in Endpoints {registration.label} already, registered by "
                "somebody else; it is left to them and will not be removed when the VM leaves."
            )
        before = old.get(endpoint.address)
        if before and before.host and endpoint.host and before.host != endpoint.host:
            warnings.append(
                f"{endpoint.address} in Endpoints {registration.label} was registered for host {before.host} and is "
                f"now registered for {endpoint.host}."
            )
    new = {address: endpoint for address, endpoint in new.items() if endpoint.ports}
    return _build(registration, service, endpoints, old, new, warnings)


def plan_absent(registration: Registration, service: JsonObject | None, endpoints: JsonObject | None) -> Plan:
    """Unregister the addresses, as far as they are ours; remove what we created once nothing is left in it."""
    old = members(registration, endpoints)
    leaving = {endpoint.address for endpoint in registration.endpoints}
    new = {address: endpoint for address, endpoint in old.items() if address not in leaving}
    kept = {item.ip for item in foreign_entries(endpoints, old)} & leaving
    warnings = [
        f"{address} stays in Endpoints {registration.label}: somebody else registered it. "
        "Remove it with the tool that put it there, for example istioctl deregister."
        for address in sorted(kept)
    ]
    return _build(registration, service, endpoints, old, new, warnings)


def plan_carrier(
    registration: Registration, endpoints: JsonObject | None, new: Record, staying: t.Container[str]
) -> list[Operation]:
    """The Endpoints alone, while VMs move to or from another backend."""
    old = members(registration, endpoints)
    wanted = foreign_entries(endpoints, old) | _entries(new, _resting(endpoints, old))
    body = _endpoints_body(registration, endpoints, old, new, wanted)
    gone = [address for address in old if address not in new and address in staying]
    found = operation("Endpoints", endpoints, body, (registration.name,), bool(gone))
    return [found] if found else []


def members(registration: Registration, endpoints: JsonObject | None) -> Record:
    return read_record(f"Endpoints {registration.label}", endpoints)


def foreign_entries(endpoints: JsonObject | None, old: Record) -> set[Entry]:
    return unpack((endpoints or {}).get("subsets")) - _entries(old, _resting(endpoints, old))


def _resting(endpoints: JsonObject | None, old: Record) -> set[str]:
    """VMs of ours that are drained."""
    return {
        item.ip
        for item in unpack((endpoints or {}).get("subsets"))
        if not item.ready and item.ip in old and any(item.serves(port) for port in old[item.ip].ports)
    }


def _entries(record: Record, resting: set[str]) -> set[Entry]:
    return {
        entry(item.address, port)._replace(ready=item.address not in resting)
        for item in record.values()
        for port in item.ports
    }


def _build(
    registration: Registration,
    service: JsonObject | None,
    endpoints: JsonObject | None,
    old: Record,
    new: Record,
    warnings: list[str],
) -> Plan:
    foreign = foreign_entries(endpoints, old)
    entries = foreign | _entries(new, _resting(endpoints, old))
    wanted_endpoints = _endpoints_body(registration, endpoints, old, new, entries)
    wanted_service = _service_body(registration, service, old, new, foreign, keep=bool(entries))
    changes = [("Endpoints", endpoints, wanted_endpoints), ("Service", service, wanted_service)]
    operations = [operation(kind, actual, wanted, (registration.name,)) for kind, actual, wanted in changes]
    if service is not None and not is_ours(service) and new:
        _warn_about_accounts(registration, service, new, warnings)
    shown = [(f"{kind} {registration.label}", actual, wanted) for kind, actual, wanted in reversed(changes)]
    return Plan(
        operations=[item for item in operations if item],
        before={name: visible(actual) for name, actual, _wanted in shown if actual is not None},
        after={name: visible(wanted) for name, _actual, wanted in shown if wanted is not None},
        addresses=sorted({item.ip for item in entries}),
        warnings=warnings,
    )


def _endpoints_body(
    registration: Registration, endpoints: JsonObject | None, old: Record, new: Record, entries: set[Entry]
) -> JsonObject | None:
    if endpoints is None and not new:
        return None
    if endpoints is not None and is_ours(endpoints) and not entries:
        return None
    body = base(registration.namespace, registration.name, endpoints)
    if unpack(body.get("subsets")) != entries:
        body["subsets"] = pack(entries)
    _annotate(body, old, new)
    return body


def _service_body(
    registration: Registration, service: JsonObject | None, old: Record, new: Record, foreign: set[Entry], keep: bool
) -> JsonObject | None:
    if service is None and not new:
        return None
    if service is not None and not is_ours(service):
        _check_foreign_ports(registration, service, new)
        return service
    if service is not None and not keep:
        return None
    body = base(registration.namespace, registration.name, service)
    spec = body.setdefault("spec", {})
    spec["ports"] = service_ports(registration, spec.get("ports") or [], old, new, foreign)
    _annotate(body, old, new)
    annotate(body, MARK_ANNOTATION, "")
    return body


def _check_foreign_ports(registration: Registration, service: JsonObject, new: Record) -> None:
    present = {as_port(port) for port in (service.get("spec") or {}).get("ports") or []}
    missing = sorted({port for item in new.values() for port in item.ports} - present)
    if missing:
        raise RegistrationError(
            f"Service {registration.label} was not created by mesh.expansion and lacks the port {_list(missing)}. "
            "Add the port to it, or delete the Service and run again."
        )


def _warn_about_accounts(registration: Registration, service: JsonObject, new: Record, warnings: list[str]) -> None:
    missing = {item.service_account for item in new.values()} - accounts_of(service)
    if missing:
        wanted = ",".join(sorted(accounts_of(service) | missing))
        warnings.append(
            f"Service {registration.label} was not created by mesh.expansion and is left as it is, but Pilot will not "
            f"trust {', '.join(sorted(missing))} for it until it has the annotation {ACCOUNTS_ANNOTATION}: {wanted}."
        )


def _refuse_unusable(registration: Registration, service: JsonObject | None) -> None:
    selected = ((service or {}).get("spec") or {}).get("selector")
    if selected:
        selector = ",".join(f"{key}={value}" for key, value in sorted(selected.items()))
        raise RegistrationError(
            f"Service {registration.label} selects pods ({selector}), so Kubernetes would overwrite its Endpoints. "
            "Register the VM under another name, or remove the selector from that Service."
        )
    refuse_external_name(registration, service)


def _annotate(body: JsonObject, old: Record, new: Record) -> None:
    if is_ours(body):
        used_before = {item.service_account for item in old.values()}
        accounts = (accounts_of(body) - used_before) | {item.service_account for item in new.values()}
        if accounts:
            annotate(body, ACCOUNTS_ANNOTATION, ",".join(sorted(accounts)))
    annotate(body, RECORD_ANNOTATION, write_record(new) if new else "")


def _held_by_others(entries: set[Entry], old: Record, address: str, port: Port) -> bool:
    recorded = old.get(address)
    if recorded is not None and port in recorded.ports:
        return False
    return any(item.ip == address and item.ready and item.serves(port) for item in entries)


def _list(ports: t.Iterable[Port]) -> str:
    return ", ".join(str(port) for port in ports)
