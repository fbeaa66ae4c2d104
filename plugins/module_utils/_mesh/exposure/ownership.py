# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields of a Service are ours, from its metadata.managedFields. Pure. Private to the collection.

A server-side apply changes nothing exactly when the wanted values are there and the wanted fields are those that are
ours since the last one: a field that we own and no longer want would be taken out. Who knows both needs no request.
"""

from __future__ import annotations

import json
import typing as t

from ..._kube.resources import FIELD_MANAGER
from .services import JsonObject

Path = t.Tuple[str, ...]
PortKey = t.Tuple[int, str]

SELECTOR: Path = ("f:spec", "f:selector")
# Lists and maps with one owner. API servers before 1.21 kept one for each key of the selector.
_WHOLE = (SELECTOR, ("f:spec", "f:externalIPs"))


class Ownership(t.NamedTuple):
    """The fields that our last server-side apply left as ours (None: there was none), and those of everybody else."""

    ours: t.FrozenSet[Path] | None
    others: t.FrozenSet[Path]
    selector_by_key: bool

    def ours_alone(self) -> t.FrozenSet[Path]:
        """What the next apply takes out, unless it is wanted."""
        return (self.ours or frozenset()) - self.others


def ownership(service: t.Mapping[str, t.Any]) -> Ownership:
    ours: t.FrozenSet[Path] | None = None
    others: t.Set[Path] = set()
    selector_by_key = False
    for entry in service["metadata"].get("managedFields") or []:
        paths = list(_leaves(entry.get("fieldsV1") or {}))
        selector_by_key = selector_by_key or any(path[:2] == SELECTOR and len(path) > 2 for path in paths)
        found = frozenset(_shortened(path) for path in paths)
        if (entry.get("manager"), entry.get("operation")) == (FIELD_MANAGER, "Apply") and not entry.get("subresource"):
            ours = found
        else:
            others |= found
    return Ownership(ours, frozenset(others), selector_by_key)


def wanted_fields(manifest: JsonObject) -> t.FrozenSet[Path]:
    """What an apply of this Service makes ours."""
    paths: t.Set[Path] = {label_path(key) for key in manifest["metadata"]["labels"]}
    for field, value in manifest["spec"].items():
        if field == "ports":
            paths.update(port_path(port_key(port), name) for port in value for name in port)
        else:
            paths.add(("f:spec", f"f:{field}"))
    return frozenset(paths)


def label_path(key: str) -> Path:
    return ("f:metadata", "f:labels", f"f:{key}")


def port_path(key: PortKey, field: str) -> Path:
    return ("f:spec", "f:ports", _item({"port": key[0], "protocol": key[1]}), f"f:{field}")


def port_key(port: t.Mapping[str, t.Any]) -> PortKey:
    """What tells one port of a Service from another."""
    return port["port"], port.get("protocol", "TCP")


def _item(keys: t.Mapping[str, t.Any]) -> str:
    return "k:" + json.dumps(keys, sort_keys=True, separators=(",", ":"))


def _leaves(fields: t.Mapping[str, t.Any], above: Path = ()) -> t.Iterator[Path]:
    for key, below in fields.items():
        if key == ".":
            # The list item or map itself, which is there as long as one of its fields is.
            continue
        path = (*above, _item(json.loads(key[2:])) if key.startswith("k:") else key)
        if below and set(below) != {"."}:
            yield from _leaves(below, path)
        else:
            yield path


def _shortened(path: Path) -> Path:
    return path[:2] if path[:2] in _WHOLE else path
