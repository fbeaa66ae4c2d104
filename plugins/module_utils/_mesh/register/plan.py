# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of a registration: from what the API holds and what is wanted to an ordered list of writes.

Pure. Private to the collection.

What is ours is recorded in an annotation on the Endpoints: per address its ports, ServiceAccount and host. The same
text goes on the Service, so that each registration changes both objects: whoever deletes either of them at the same
time then meets a conflict instead of losing an address. Writers follow one order, Endpoints before Service, and readers
the other one, so that a Service's port is never taken for unused while its address is on the way.
"""

from __future__ import annotations

import copy
import json
import typing as t

from .endpoints import Entry, JsonObject, Port, entry, pack, unpack
from .model import Registration, RegistrationError, VmEndpoint, parse_port

ACCOUNTS_ANNOTATION = "alpha.istio.io/kubernetes-serviceaccounts"
RECORD_ANNOTATION = "mesh.expansion/registered"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "mesh.expansion"

Record = t.Dict[str, VmEndpoint]


class Operation(t.NamedTuple):
    """One write."""

    action: str
    kind: str
    body: JsonObject


class Plan(t.NamedTuple):
    operations: list[Operation]
    before: dict[str, JsonObject]
    after: dict[str, JsonObject]
    addresses: list[str]
    warnings: list[str]


def plan_present(
    registration: Registration, service: JsonObject | None, endpoints: JsonObject | None, purge: bool = False
) -> Plan:
    """Register the addresses; with `purge`, unregister those of ours that are not wanted any more."""
    _refuse_unusable(registration, service)
    old = _read_record(registration, endpoints)
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
    old = _read_record(registration, endpoints)
    leaving = {endpoint.address for endpoint in registration.endpoints}
    new = {address: endpoint for address, endpoint in old.items() if address not in leaving}
    kept = {item.ip for item in _foreign_entries(endpoints, old)} & leaving
    warnings = [
        f"{address} stays in Endpoints {registration.label}: somebody else registered it. "
        "Remove it with the tool that put it there, for example istioctl deregister."
        for address in sorted(kept)
    ]
    return _build(registration, service, endpoints, old, new, warnings)


def _build(
    registration: Registration,
    service: JsonObject | None,
    endpoints: JsonObject | None,
    old: Record,
    new: Record,
    warnings: list[str],
) -> Plan:
    foreign = _foreign_entries(endpoints, old)
    entries = foreign | {entry(item.address, port) for item in new.values() for port in item.ports}
    wanted_endpoints = _endpoints_body(registration, endpoints, old, new, entries)
    wanted_service = _service_body(registration, service, old, new, foreign, keep=bool(entries))
    changes = [("Endpoints", endpoints, wanted_endpoints), ("Service", service, wanted_service)]
    operations = [_operation(kind, actual, wanted) for kind, actual, wanted in changes if not _same(actual, wanted)]
    if service is not None and not _ours(service) and new:
        _warn_about_accounts(registration, service, new, warnings)
    shown = [(f"{kind} {registration.label}", actual, wanted) for kind, actual, wanted in reversed(changes)]
    return Plan(
        operations=operations,
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
    if endpoints is not None and _ours(endpoints) and not entries:
        return None
    body = _base(registration, endpoints)
    if unpack(body.get("subsets")) != entries:
        body["subsets"] = pack(entries)
    _annotate(body, old, new)
    return body


def _service_body(
    registration: Registration, service: JsonObject | None, old: Record, new: Record, foreign: set[Entry], keep: bool
) -> JsonObject | None:
    if service is None and not new:
        return None
    if service is not None and not _ours(service):
        _check_foreign_ports(registration, service, new)
        return service
    if service is not None and not keep:
        return None
    body = _base(registration, service)
    spec = body.setdefault("spec", {})
    spec["ports"] = _service_ports(registration, spec.get("ports") or [], old, new, foreign)
    _annotate(body, old, new)
    return body


def _service_ports(
    registration: Registration, present: list[JsonObject], old: Record, new: Record, foreign: set[Entry]
) -> list[JsonObject]:
    """Drop the ports that only we used and nobody uses now, keep all others untouched, add the missing ones."""
    needed = sorted({port for item in new.values() for port in item.ports}, key=lambda port: (port.number, port.name))
    stale = {
        port
        for item in old.values()
        for port in item.ports
        if port not in needed and not any(held.serves(port) for held in foreign)
    }
    ports = [port for port in present if _as_port(port) not in stale]
    for port in needed:
        if any(_as_port(other) == port for other in ports):
            continue
        for other in ports:
            same_number = other.get("port") == port.number and other.get("protocol", "TCP") == port.transport
            if same_number or other.get("name") == port.name:
                users = sorted(a for a, item in new.items() if any(p == _as_port(other) for p in item.ports))
                by = f", used by {', '.join(users)}" if users else ""
                raise RegistrationError(
                    f"Service {registration.label} has the port {other.get('name')}:{other.get('port')}{by}; "
                    f"{port} cannot be added beside it. Give every port number one name of its own."
                )
        ports.append({"name": port.name, "port": port.number, "protocol": port.transport})
    return ports


def _check_foreign_ports(registration: Registration, service: JsonObject, new: Record) -> None:
    present = {_as_port(port) for port in (service.get("spec") or {}).get("ports") or []}
    missing = sorted({port for item in new.values() for port in item.ports} - present)
    if missing:
        raise RegistrationError(
            f"Service {registration.label} was not created by mesh.expansion and lacks the port {_list(missing)}. "
            "Add the port to it, or delete the Service and run again."
        )


def _warn_about_accounts(registration: Registration, service: JsonObject, new: Record, warnings: list[str]) -> None:
    missing = {item.service_account for item in new.values()} - _accounts(service)
    if missing:
        wanted = ",".join(sorted(_accounts(service) | missing))
        warnings.append(
            f"Service {registration.label} was not created by mesh.expansion and is left as it is, but Pilot will not "
            f"trust {', '.join(sorted(missing))} for it until it has the annotation {ACCOUNTS_ANNOTATION}: {wanted}."
        )


def _refuse_unusable(registration: Registration, service: JsonObject | None) -> None:
    spec = (service or {}).get("spec") or {}
    if spec.get("selector"):
        selector = ",".join(f"{key}={value}" for key, value in sorted(spec["selector"].items()))
        raise RegistrationError(
            f"Service {registration.label} selects pods ({selector}), so Kubernetes would overwrite its Endpoints. "
            "Register the VM under another name, or remove the selector from that Service."
        )
    if spec.get("type") == "ExternalName":
        raise RegistrationError(
            f"Service {registration.label} is of type ExternalName and has no endpoints. "
            "Register the VM under another name, or delete that Service."
        )


def _base(registration: Registration, actual: JsonObject | None) -> JsonObject:
    if actual is not None:
        return copy.deepcopy(actual)
    return {
        "metadata": {
            "name": registration.name,
            "namespace": registration.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        }
    }


def _annotate(body: JsonObject, old: Record, new: Record) -> None:
    annotations = dict(body["metadata"].get("annotations") or {})
    if _ours(body):
        used_before = {item.service_account for item in old.values()}
        accounts = (_accounts(body) - used_before) | {item.service_account for item in new.values()}
        if accounts:
            annotations[ACCOUNTS_ANNOTATION] = ",".join(sorted(accounts))
    annotations.pop(RECORD_ANNOTATION, None)
    if new:
        annotations[RECORD_ANNOTATION] = _write_record(new)
    if annotations or "annotations" in body["metadata"]:
        body["metadata"]["annotations"] = annotations


def _accounts(body: JsonObject) -> set[str]:
    text = (body["metadata"].get("annotations") or {}).get(ACCOUNTS_ANNOTATION, "")
    return {account.strip() for account in text.split(",") if account.strip()}


def _write_record(record: Record) -> str:
    content = {
        address: {
            "ports": sorted(str(port) for port in item.ports),
            "service_account": item.service_account,
            **({"host": item.host} if item.host else {}),
        }
        for address, item in record.items()
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _read_record(registration: Registration, endpoints: JsonObject | None) -> Record:
    text = (((endpoints or {}).get("metadata") or {}).get("annotations") or {}).get(RECORD_ANNOTATION)
    if not text:
        return {}
    where = f"Endpoints {registration.label}"
    try:
        return {
            address: VmEndpoint(
                address,
                tuple(parse_port(port, where) for port in item["ports"]),
                item["service_account"],
                item.get("host", ""),
            )
            for address, item in json.loads(text).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise RegistrationError(
            f"{where}: the annotation {RECORD_ANNOTATION} cannot be read ({exc}). Somebody edited it. Remove the "
            "annotation and the addresses of VMs from the object, then run again."
        ) from exc


def _foreign_entries(endpoints: JsonObject | None, old: Record) -> set[Entry]:
    ours = {entry(item.address, port) for item in old.values() for port in item.ports}
    return unpack((endpoints or {}).get("subsets")) - ours


def _held_by_others(entries: set[Entry], old: Record, address: str, port: Port) -> bool:
    recorded = old.get(address)
    if recorded is not None and port in recorded.ports:
        return False
    return any(item.ip == address and item.ready and item.serves(port) for item in entries)


def _ours(body: JsonObject) -> bool:
    return (body["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def _as_port(port: JsonObject) -> Port:
    return Port(port.get("name") or "", port.get("port") or 0)


def _same(actual: JsonObject | None, wanted: JsonObject | None) -> bool:
    if actual is None or wanted is None:
        return actual is wanted
    return visible(actual) == visible(wanted)


def _operation(kind: str, actual: JsonObject | None, wanted: JsonObject | None) -> Operation:
    if wanted is None:
        return Operation("delete", kind, actual or {})
    return Operation("create" if actual is None else "update", kind, wanted)


def visible(body: JsonObject) -> JsonObject:
    """What a reader of a diff wants to see: no bookkeeping of the server, subsets in one order."""
    metadata = body.get("metadata") or {}
    shown: JsonObject = {
        "metadata": {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    }
    if body.get("spec"):
        shown["spec"] = body["spec"]
    if body.get("subsets"):
        shown["subsets"] = pack(unpack(body["subsets"]))
    return shown


def _list(ports: t.Iterable[Port]) -> str:
    return ", ".join(str(port) for port in ports)
