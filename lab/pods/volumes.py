# Part of the lab's stand-in for the kubelet: what is in a Pod's volumes.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of type secret, configMap, downwardAPI, projected and emptyDir, and their mounts: pure functions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.pods import downward, tokens
from lab.pods.environment import expand
from lab.pods.errors import UnsupportedSpec
from lab.pods.objects import Found, Ref

Json = dict[str, Any]
SUPPORTED = ("configMap", "downwardAPI", "emptyDir", "projected", "secret")
DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class File:
    content: bytes
    mode: int
    private: bool = False
    """Belongs to the pod's user alone, if there is one (tokens)."""


Files = dict[str, File]
"""By path in the volume."""


def all_containers(pod: Json) -> list[Json]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def used(pod: Json) -> dict[str, tuple[str, Json]]:
    """Type and source of every volume that a container mounts, by name."""
    sources = {v["name"]: v for v in pod["spec"].get("volumes", [])}
    found: dict[str, tuple[str, Json]] = {}
    for container in all_containers(pod):
        if container.get("volumeDevices"):
            raise UnsupportedSpec(
                f"container {container['name']}: volumeDevices are not supported by the lab's pod runner"
            )
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in sources:
                raise UnsupportedSpec(f"volumeMount {mount['name']!r}: the Pod has no such volume")
            found[mount["name"]] = _source(sources[mount["name"]])
    return found


def _source(volume: Json) -> tuple[str, Json]:
    kinds = [kind for kind in volume if kind != "name"]
    kind = kinds[0] if kinds else "emptyDir"
    if kind not in SUPPORTED:
        message = f"type {kind} is not supported by the lab's pod runner; use one of {', '.join(SUPPORTED)}"
        raise UnsupportedSpec(f"volume {volume['name']!r}: {message}")
    return kind, volume.get(kind) or {}


def _projected(kind: str, source: Json) -> Iterable[tuple[str, Json]]:
    """The parts of a volume, each as if it were a projected volume's source."""
    if kind != "projected":
        return [(kind, source)]
    return [part for entry in source.get("sources", []) for part in entry.items()]


def _object(kind: str, part: Json) -> Ref | None:
    if kind == "secret":
        return Ref("secrets", part.get("secretName") or part["name"], part.get("optional", False))
    if kind == "configMap":
        return Ref("configmaps", part["name"], part.get("optional", False))
    return None


def references(pod: Json) -> set[Ref]:
    """Every object that the volumes need."""
    parts = [part for kind, source in used(pod).values() for part in _projected(kind, source)]
    return {ref for kind, part in parts if (ref := _object(kind, part))}


def tokens_wanted(pod: Json) -> set[tokens.Wanted]:
    parts = [part for kind, source in used(pod).values() for part in _projected(kind, source)]
    return {tokens.wanted(part) for kind, part in parts if kind == "serviceAccountToken"}


def _selected(part: Json, data: Mapping[str, bytes], mode: int) -> Files:
    """All keys, or those that `items` names."""
    if "items" not in part:
        return {key: File(value, mode) for key, value in data.items()}
    items = [item for item in part["items"] if item["key"] in data or not part.get("optional")]
    return {item["path"]: File(data[item["key"]], item.get("mode", mode)) for item in items}


def _binary_data(ref: Ref, found: Found) -> dict[str, bytes]:
    item = found[ref.kind, ref.name] or {}
    data = item.get("data") or {}
    if ref.kind == "secrets":
        return {key: base64.b64decode(value) for key, value in data.items()}
    encoded = {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in data.items()} | encoded


def _downward(pod: Json, item: Json, mode: int) -> File:
    if "fieldRef" in item:
        path = item["fieldRef"]["fieldPath"]
        text = downward.metadata(pod, path)
        if text is None:
            raise UnsupportedSpec(f"downwardAPI: fieldPath {path!r} is not supported in a volume")
    else:
        reference = item["resourceFieldRef"]
        named = [c for c in all_containers(pod) if c["name"] == reference["containerName"]]
        text = downward.resource(named[0] if named else {}, reference)
    return File(text.encode(), item.get("mode", mode))


def contents(pod: Json, kind: str, source: Json, found: Found, held: Mapping[tokens.Wanted, str]) -> Files:
    """The files of one volume that is no emptyDir. KeyError names a key that an object does not have."""
    mode = source.get("defaultMode", DEFAULT_MODE)
    files: Files = {}
    for name, part in _projected(kind, source):
        ref = _object(name, part)
        if ref is not None:
            files |= _selected(part, _binary_data(ref, found), mode)
        elif name == "downwardAPI":
            files |= {item["path"]: _downward(pod, item, mode) for item in part.get("items", [])}
        elif name == "serviceAccountToken":
            files[part["path"]] = File(held[tokens.wanted(part)].encode(), mode, private=True)
        else:
            raise UnsupportedSpec(f"projected volume: source {name} is not supported by the lab's pod runner")
    return files


def mounts(container: Json, kinds: Mapping[str, str], env: dict[str, str]) -> list[Json]:
    """What pod_init binds, outer paths first: source below the Pod's volumes, path, read_only, create."""
    found = []
    for mount in container.get("volumeMounts", []):
        if mount.get("mountPropagation", "None") != "None":
            raise UnsupportedSpec(
                f"volumeMount {mount['name']!r}: mountPropagation is not supported by the lab's pod runner"
            )
        part = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
        if part.startswith("/") or ".." in part.split("/"):
            raise UnsupportedSpec(f"volumeMount {mount['name']!r}: subPath {part!r} leaves the volume")
        own = kinds[mount["name"]] == "emptyDir"
        found.append(
            {
                "source": f"{mount['name']}/{part}".rstrip("/"),
                "path": mount["mountPath"],
                "read_only": mount.get("readOnly", False) or not own,
                "create": bool(part) and own,
            }
        )
    return sorted(found, key=lambda m: str(m["path"]).rstrip("/").count("/"))
