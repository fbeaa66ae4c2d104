# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Field ownership of Services as an API server keeps it: what an apply and an update make of the fields and owners.

Written from the rules of server-side apply, and shares no code with the plan of the exposure. A Service is a flat
mapping of paths to values; who owns which path stands beside it, and is shown in metadata.managedFields.
"""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    FieldConflict,
    KubeFieldConflict,
    KubeInvalid,
)

Json = dict[str, Any]
Path = tuple[Any, ...]
Owner = tuple[str, str]
Owners = dict[Owner, set[Path]]
Flat = dict[Path, Any]


def flatten(body: Json, selector_by_key: bool = False) -> Flat:
    flat: Flat = {("labels", key): value for key, value in (body["metadata"].get("labels") or {}).items()}
    for field, value in (body.get("spec") or {}).items():
        if field == "ports":
            for port in value or []:
                key = (port["port"], port.get("protocol", "TCP"))
                flat.update({("ports", key, name): item for name, item in {"protocol": "TCP", **port}.items()})
        elif field == "selector" and selector_by_key:
            flat.update({("selector", key): item for key, item in (value or {}).items()})
        else:
            flat[("spec", field)] = value
    return flat


def unflatten(flat: Flat) -> Json:
    labels: Json = {}
    spec: Json = {}
    ports: dict[Any, Json] = {}
    for path, value in flat.items():
        if path[0] == "labels":
            labels[path[1]] = value
        elif path[0] == "selector":
            spec.setdefault("selector", {})[path[1]] = value
        elif path[0] == "ports":
            ports.setdefault(path[1], {})[path[2]] = value
        else:
            spec[path[1]] = value
    if ports:
        spec["ports"] = list(ports.values())
        _validate(spec["ports"])
    return {"labels": labels, "spec": spec}


def apply(current: Flat, owners: Owners, wanted: Flat, manager: str, force: bool) -> Flat:
    """The fields afterwards; `owners` is changed in place, and only when there is no conflict."""
    me = (manager, "Apply")
    theirs = {owner: held for owner, held in owners.items() if owner != me}
    differing = {path for path, value in wanted.items() if current.get(path) != value}
    contested = [(path, owner) for owner, held in theirs.items() for path in sorted(held & differing, key=repr)]
    if contested and not force:
        found = [FieldConflict(_dotted(path), owner[0]) for path, owner in contested]
        raise KubeFieldConflict(f"Apply failed with {len(found)} conflicts.", found)
    for path, owner in contested:
        owners[owner].discard(path)
    held_by_others = set().union(*theirs.values())
    gone = owners.get(me, set()) - set(wanted) - held_by_others
    owners[me] = set(wanted)
    return {**{path: value for path, value in current.items() if path not in gone}, **wanted}


def update(current: Flat, owners: Owners, new: Flat, manager: str) -> None:
    """Whoever changes a value owns it, and it alone; what is taken out belongs to nobody."""
    changed = {path for path, value in new.items() if path not in current or current[path] != value}
    for held in owners.values():
        held -= changed | (set(current) - set(new))
    if changed:
        owners.setdefault((manager, "Update"), set()).update(changed)


def managed_fields(owners: Owners) -> list[Json]:
    shown = []
    for (manager, operation), held in owners.items():
        fields: Json = {}
        for path in sorted(held, key=repr):
            *above, last = _keys(path)
            level = fields
            for key in above:
                level = level.setdefault(key, {".": {}} if key.startswith("k:") else {})
            level[last] = {}
        if fields:
            shown.append({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields})
    return shown


def _keys(path: Path) -> list[str]:
    if path[0] == "labels":
        return ["f:metadata", "f:labels", f"f:{path[1]}"]
    if path[0] == "selector":
        return ["f:spec", "f:selector", f"f:{path[1]}"]
    if path[0] == "ports":
        item = json.dumps({"port": path[1][0], "protocol": path[1][1]}, separators=(",", ":"))
        return ["f:spec", "f:ports", f"k:{item}", f"f:{path[2]}"]
    return ["f:spec", f"f:{path[1]}"]


def _dotted(path: Path) -> str:
    return ".".join(["", *(key.partition(":")[2] for key in _keys(path))])


def _validate(ports: list[Json]) -> None:
    names = [port.get("name") for port in ports]
    if len(ports) > 1 and (None in names or len(set(names)) < len(names)):
        raise KubeInvalid(f"spec.ports: names are missing or not unique: {names}")
