# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan of the exposure: from the Services in the cluster and the wanted ones to an ordered list of writes.

Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from . import backends
from .model import ExposureError
from .ownership import Ownership, label_path, ownership, port_key, port_path, wanted_fields
from .services import Identity, JsonObject, identity, is_ours, label


class Operation(t.NamedTuple):
    """One write: `create` and `apply` are server-side applies, `patch` and `status` merge patches. `settle` waits."""

    action: str
    service: Identity
    body: JsonObject

    def __str__(self) -> str:
        if self.action == "settle":
            return f"wait {backends.SETTLE_SECONDS} s for the nodes"
        return f"{self.action} {label(self.service)}"


_SETTLE = Operation("settle", ("", ""), {})


class Plan(t.NamedTuple):
    """The writes, service after service; what has to wait for the nodes; and what they make of which objects."""

    operations: t.List[Operation]
    before: t.Dict[str, JsonObject]
    after: t.Dict[str, JsonObject]


def missing(manifests: t.Sequence[JsonObject], live: t.Sequence[JsonObject]) -> t.List[Identity]:
    """Which wanted Services are not among those that were read, and have to be looked for by name."""
    found = {identity(service) for service in live}
    return [identity(manifest) for manifest in manifests if identity(manifest) not in found]


def plan_present(manifests: t.Sequence[JsonObject], live: t.Sequence[JsonObject], adopt: bool = False) -> Plan:
    """Make the Services as wanted, and remove those of ours that are not wanted any more."""
    found = {identity(service): service for service in live}
    wanted = {identity(manifest): manifest for manifest in manifests}
    foreign = [label(where) for where in wanted if where in found and not is_ours(found[where])]
    if foreign and not adopt:
        raise ExposureError(
            f"Already in the cluster and not made from the list of exposed services: {', '.join(foreign)}. "
            "Remove them, give the exposed services other names, or take them over with adopt: true "
            "(exposure_adopt: true in the role exposure)."
        )
    operations: t.List[Operation] = []
    # What takes the former way of exposure away.
    later: t.List[Operation] = []
    before: t.Dict[str, JsonObject] = {}
    after: t.Dict[str, JsonObject] = {}
    for where, manifest in wanted.items():
        service = found.get(where)
        if service is None:
            operations += [Operation("create", where, manifest), *_status(manifest, {})]
            after[label(where)] = visible(manifest)
            continue
        both = backends.meanwhile(manifest, service)
        needed = [*_changes(both or manifest, service), *_status(manifest, service)]
        operations += needed
        if both:
            later.append(Operation("apply", where, manifest))
        before[label(where)] = visible(service)
        after[label(where)] = visible(_settled(manifest, service) if needed or both else service)
    stale = plan_absent([service for where, service in found.items() if where not in wanted])
    settled = [_SETTLE, *later] if later else []
    return Plan([*operations, *settled, *stale.operations], {**before, **stale.before}, after)


def plan_absent(live: t.Sequence[JsonObject]) -> Plan:
    """Remove the Services that are ours."""
    ours = [service for service in live if is_ours(service)]
    return Plan(
        operations=[Operation("delete", identity(service), service) for service in ours],
        before={label(identity(service)): visible(service) for service in ours},
        after={},
    )


def _status(manifest: JsonObject, service: JsonObject) -> t.List[Operation]:
    if not backends.lacks_status(manifest, service):
        return []
    return [Operation("status", identity(manifest), {"status": manifest["status"]})]


def _changes(manifest: JsonObject, service: JsonObject) -> t.List[Operation]:
    where, owned = identity(manifest), ownership(service)
    adopted = not is_ours(service)
    applied: t.List[Operation] = []
    if not _holds(manifest, service) or owned.ours != wanted_fields(manifest):
        applied.append(Operation("apply", where, manifest))
    surplus = _surplus(manifest, service, owned, adopted)
    patched = [Operation("patch", where, {"spec": surplus})] if surplus else []
    # Server-side apply only adds to what others made, and a port of theirs may not fit with ours. From a Service that
    # is ours already, what others added is taken out when the apply was not refused.
    return patched + applied if adopted else applied + patched


def _holds(manifest: JsonObject, service: JsonObject) -> bool:
    """Are all the wanted values there? What else may be there, see _surplus and Ownership."""
    labels, wanted, spec = service["metadata"].get("labels") or {}, manifest["spec"], service.get("spec") or {}
    if any(labels.get(key) != value for key, value in manifest["metadata"]["labels"].items()):
        return False
    if any(spec.get(field) != value for field, value in wanted.items() if field != "ports"):
        return False
    ports = _ports(service)
    return all(wanted_port.items() <= ports.get(port_key(wanted_port), {}).items() for wanted_port in wanted["ports"])


def _surplus(manifest: JsonObject, service: JsonObject, owned: Ownership, adopted: bool) -> JsonObject:
    """The merge patch of the spec that takes out what other writers added.

    Server-side apply leaves list items and map keys alone that belong to another field manager. An additional port
    would stay open on the virtual address, and an additional selector key would keep the Service without endpoints.
    """
    wanted = manifest["spec"]
    spec: JsonObject = {}
    ours_alone = owned.ours_alone()
    surplus = set(_ports(service)) - {port_key(port) for port in wanted["ports"]}
    if any(port_path(key, "port") not in ours_alone for key in surplus):
        spec["ports"] = wanted["ports"]
    # Where the selector is one field, an apply replaces it or is refused for it.
    keys = sorted(set((service.get("spec") or {}).get("selector") or {}) - set(wanted["selector"]))
    if keys and (adopted or owned.selector_by_key):
        spec["selector"] = dict.fromkeys(keys)
    return spec


def _settled(manifest: JsonObject, service: JsonObject) -> JsonObject:
    """The Service as it will be."""
    gone = ownership(service).ours_alone() - wanted_fields(manifest)
    labels = {k: v for k, v in (service["metadata"].get("labels") or {}).items() if label_path(k) not in gone}
    present = _ports(service)
    ports = []
    for port in manifest["spec"]["ports"]:
        key = port_key(port)
        kept = {field: value for field, value in present.get(key, {}).items() if port_path(key, field) not in gone}
        ports.append({**kept, **port})
    now = service.get("spec") or {}
    spec = {field: value for field, value in now.items() if ("f:spec", f"f:{field}") not in gone}
    return {
        "metadata": {**service["metadata"], "labels": {**labels, **manifest["metadata"]["labels"]}},
        "spec": {**spec, **manifest["spec"], "ports": ports},
        "status": manifest.get("status") or {},
    }


def _ports(service: JsonObject) -> t.Dict[t.Any, JsonObject]:
    return {port_key(port): port for port in (service.get("spec") or {}).get("ports") or []}


def visible(service: JsonObject) -> JsonObject:
    """What a reader of a diff wants to see: no bookkeeping of the server."""
    metadata = service["metadata"]
    shown = {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    status = {"status": service["status"]} if (service.get("status") or {}).get("loadBalancer") else {}
    return {"metadata": shown, "spec": service.get("spec") or {}, **status}
