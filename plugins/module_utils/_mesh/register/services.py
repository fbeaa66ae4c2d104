# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Service in front of registered VMs: its ports, its selector, who may call it theirs. Pure.

Private to the collection.
"""

from __future__ import annotations

import hashlib
import typing as t

from .model import Labels, Registration, RegistrationError
from .objects import (
    RECORD_ANNOTATION,
    Record,
    annotate,
    annotation,
    as_record,
    base,
    compact,
    is_ours,
)
from .subsets import Entry, JsonObject, Port

ACCOUNTS_ANNOTATION = "alpha.istio.io/kubernetes-serviceaccounts"
MARK_ANNOTATION = "mesh.expansion/registration"
MEMBER_LABEL = "service.mesh.expansion"

# How a layer of registered VMs is called: a backend, or what plain clients are given beside one.
ENDPOINTS, SLICES, ENTRIES, AUTO, PLAIN = "endpoints", "endpoint_slice", "workload_entry", "auto", "plain_clients"
BACKENDS = (ENDPOINTS, SLICES, ENTRIES, AUTO)
# Those whose Service finds its VMs by a selector.
SELECTING = (ENTRIES, AUTO)

Layers = t.Mapping[str, Record]
"""The VMs of one Service, by the layer that carries them."""


def accounts_of(body: JsonObject) -> set[str]:
    return {account.strip() for account in annotation(body, ACCOUNTS_ANNOTATION).split(",") if account.strip()}


def as_port(port: JsonObject) -> Port:
    return Port(port.get("name") or "", port.get("port") or 0)


def marked(service: JsonObject | None) -> set[str]:
    """The layers that may hold something of ours for this Service, as it says itself."""
    if annotation(service, MARK_ANNOTATION):
        return set(annotation(service, MARK_ANNOTATION).partition(" ")[0].split(","))
    return {ENDPOINTS} if annotation(service, RECORD_ANNOTATION) else set()


def service_ports(
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
    ports = [port for port in present if as_port(port) not in stale]
    for port in needed:
        if any(as_port(other) == port for other in ports):
            continue
        for other in ports:
            same_number = other.get("port") == port.number and other.get("protocol", "TCP") == port.transport
            if same_number or other.get("name") == port.name:
                users = sorted(a for a, item in new.items() if any(p == as_port(other) for p in item.ports))
                by = f", used by {', '.join(users)}" if users else ""
                raise RegistrationError(
                    f"Service {registration.label} has the port {other.get('name')}:{other.get('port')}{by}; "
                    f"{port} cannot be added beside it. Give every port number one name of its own."
                )
        ports.append({"name": port.name, "port": port.number, "protocol": port.transport})
    return ports


def refuse_external_name(registration: Registration, service: JsonObject | None) -> None:
    if ((service or {}).get("spec") or {}).get("type") == "ExternalName":
        raise RegistrationError(
            f"Service {registration.label} is of type ExternalName and has no endpoints. "
            "Register the VM under another name, or delete that Service."
        )


def refuse_foreign(registration: Registration, service: JsonObject, backend: str, new: Record) -> None:
    """A Service of others is used as it is, so it must be usable; the VM's ports are found by their names."""
    spec = service.get("spec") or {}
    if backend in SELECTING and not spec.get("selector"):
        raise RegistrationError(
            f"Service {registration.label} was not created by mesh.expansion and has no selector, so it takes in no "
            f"WorkloadEntry. Give it a selector, or register with backend: {SLICES}."
        )
    present = {str(port.get("name") or "") for port in spec.get("ports") or []}
    missing = sorted({port for item in new.values() for port in item.ports if port.name not in present})
    if missing:
        raise RegistrationError(
            f"Service {registration.label} was not created by mesh.expansion and lacks a port named "
            f"{', '.join(port.name for port in missing)}. Add the port to it, or delete the Service and run again."
        )


def selector_of(registration: Registration, service: JsonObject | None) -> dict[str, str]:
    """The labels by which the Service finds its VMs; a Service of others says so itself."""
    if service is not None and not is_ours(service):
        return dict((service.get("spec") or {}).get("selector") or {})
    # A key of its own, so that one VM can be behind several Services.
    return dict(registration.selector) or {f"{MEMBER_LABEL}/{registration.name}": "true"}


def named_targets(service: JsonObject | None) -> Labels:
    """Of a Service of others, by the name of a port, the name that stands there for its number. istiod looks for that
    among the ports of a WorkloadEntry, and leaves out an entry that has none of it."""
    if service is None or is_ours(service):
        return ()
    ports = (service.get("spec") or {}).get("ports") or []
    named = {str(port.get("name") or ""): port.get("targetPort") for port in ports}
    return tuple(sorted((name, target) for name, target in named.items() if isinstance(target, str) and target != name))


def plan_service(
    registration: Registration,
    service: JsonObject | None,
    backend: str,
    old: Layers,
    new: Layers,
    carried: bool,
    foreign: bool,
) -> JsonObject | None:
    """The Service for `new`. Its selector changes once the VMs are `carried` by what the new one looks at; it stays
    while `foreign` endpoints are behind it."""
    members = _together(new)
    if service is None and not members:
        return None
    if service is not None and not is_ours(service):
        return service
    if service is not None and not members and not foreign:
        return None
    body = base(registration.namespace, registration.name, service)
    spec = body.setdefault("spec", {})
    spec["ports"] = service_ports(registration, spec.get("ports") or [], _together(old), members, set())
    if members and (service is None or carried):
        if backend in SELECTING:
            spec["selector"] = selector_of(registration, service)
        else:
            spec.pop("selector", None)
    before = {item.service_account for item in _together(old).values()}
    accounts = (accounts_of(body) - before) | {item.service_account for item in members.values()}
    annotate(body, ACCOUNTS_ANNOTATION, ",".join(sorted(accounts)))
    annotate(body, RECORD_ANNOTATION, "")
    annotate(body, MARK_ANNOTATION, _mark(backend, new))
    return body


def _mark(backend: str, new: Layers) -> str:
    """Which layers hold something, and what: so each registration changes the Service too, and whoever deletes it at
    the same time meets a conflict instead of taking it from others."""
    used = [layer for layer, members in new.items() if members and layer != backend]
    content = {layer: {address: as_record(item) for address, item in new[layer].items()} for layer in new}
    digest = hashlib.sha256(compact(content).encode()).hexdigest()[:16]
    return f"{','.join([backend, *sorted(used)])} {digest}" if _together(new) else ""


def _together(layers: Layers) -> Record:
    """Each address once, with the ports of all layers."""
    found: Record = {}
    for members in layers.values():
        for address, item in members.items():
            known = found.get(address)
            ports = dict.fromkeys((*(known.ports if known else ()), *item.ports))
            found[address] = item._replace(ports=tuple(ports))
    return found
