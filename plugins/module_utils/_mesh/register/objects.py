# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the objects of a registration have in common: whose they are, the record, how they are compared and shown.

Pure. Private to the collection.
"""

from __future__ import annotations

import copy
import json
import typing as t

from .model import RegistrationError, VmEndpoint, parse_port
from .subsets import JsonObject, pack, unpack

RECORD_ANNOTATION = "mesh.expansion/registered"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "mesh.expansion"

Record = t.Dict[str, VmEndpoint]
"""What we registered, by address."""


class Operation(t.NamedTuple):
    """One write."""

    action: str
    kind: str
    body: JsonObject
    # What the API holds now, for the diff.
    actual: JsonObject | None = None
    # The Services that it is made for: when a write meets a conflict, theirs that follow wait for a new reading.
    services: tuple[str, ...] = ()
    # It takes away what others have taken over: they must have been seen by those who send requests.
    handover: bool = False

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def label(self) -> str:
        return f"{self.kind} {self.body['metadata'].get('namespace') or 'default'}/{self.name}"

    def __str__(self) -> str:
        return f"{self.action} {self.label}"


class Plan(t.NamedTuple):
    operations: list[Operation]
    before: dict[str, JsonObject]
    after: dict[str, JsonObject]
    addresses: list[str]
    warnings: list[str]


def base(namespace: str, name: str, actual: JsonObject | None, flat: bool = False) -> JsonObject:
    """The object to write into: a copy of what is there, or a new one of ours. A flat copy is for those who put new
    values into metadata and spec and change none in place; a thousand deep ones take as long as all the rest."""
    if actual is not None and flat:
        return {**actual, "metadata": {**actual["metadata"]}, "spec": {**(actual.get("spec") or {})}}
    if actual is not None:
        return copy.deepcopy(actual)
    return {"metadata": {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}}


def is_ours(body: JsonObject) -> bool:
    return (body["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGED_BY


def annotation(body: JsonObject | None, key: str) -> str:
    return str((((body or {}).get("metadata") or {}).get("annotations") or {}).get(key) or "")


def annotate(body: JsonObject, key: str, value: str) -> None:
    """Set an annotation; an empty value takes it out."""
    annotations = dict(body["metadata"].get("annotations") or {})
    annotations.pop(key, None)
    if value:
        annotations[key] = value
    if annotations or "annotations" in body["metadata"]:
        body["metadata"]["annotations"] = annotations


def as_record(item: VmEndpoint) -> JsonObject:
    """A registered VM as it stands in a record; what has no value is left out."""
    more = {
        "host": item.host,
        "weight": item.weight,
        "locality": item.locality,
        "network": item.network,
        "labels": dict(item.labels),
        "group": item.group,
    }
    return {
        "ports": sorted(str(port) for port in item.ports),
        "service_account": item.service_account,
        **{key: value for key, value in more.items() if value},
    }


def from_record(address: str, item: t.Mapping[str, t.Any], where: str) -> VmEndpoint:
    return VmEndpoint(
        address,
        tuple(parse_port(port, where) for port in item["ports"]),
        item["service_account"],
        item.get("host", ""),
        weight=item.get("weight"),
        locality=item.get("locality", ""),
        network=item.get("network", ""),
        labels=tuple(sorted(item.get("labels", {}).items())),
        group=item.get("group", ""),
    )


def compact(content: t.Any) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def write_record(record: Record) -> str:
    return compact({address: as_record(item) for address, item in record.items()})


def read_record(where: str, body: JsonObject | None) -> Record:
    return read_annotation(
        where,
        body,
        "addresses of VMs",
        lambda content: {address: from_record(address, item, where) for address, item in content.items()},
    )


T = t.TypeVar("T")


def read_annotation(
    where: str, body: JsonObject | None, content: str, parse: t.Callable[[t.Any], t.Dict[str, T]]
) -> t.Dict[str, T]:
    """What the record says; `content` names what belongs to it, for the message about a broken one."""
    text = annotation(body, RECORD_ANNOTATION)
    if not text:
        return {}
    try:
        return parse(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise RegistrationError(
            f"{where}: the annotation {RECORD_ANNOTATION} cannot be read ({exc}). Somebody edited it. Remove the "
            f"annotation and the {content} from the object, then run again."
        ) from exc


def operation(
    kind: str, actual: JsonObject | None, wanted: JsonObject | None, services: tuple[str, ...], handover: bool = False
) -> Operation | None:
    """The write that makes `wanted` of `actual`, if one is needed."""
    if same(actual, wanted):
        return None
    if wanted is None:
        return Operation("delete", kind, actual or {}, actual, services, handover)
    return Operation("create" if actual is None else "update", kind, wanted, actual, services, handover)


def same(actual: JsonObject | None, wanted: JsonObject | None) -> bool:
    if actual is None or wanted is None:
        return actual is wanted
    return visible(actual) == visible(wanted)


def visible(body: JsonObject) -> JsonObject:
    """What a reader of a diff wants to see: no bookkeeping of the server, subsets in one order."""
    metadata = body.get("metadata") or {}
    shown: JsonObject = {
        "metadata": {key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key)}
    }
    for key in ("spec", "addressType", "endpoints", "ports"):
        if body.get(key):
            shown[key] = body[key]
    if body.get("subsets"):
        shown["subsets"] = pack(unpack(body["subsets"]))
    return shown
