# Part of the lab's stand-in for the kubelet: the environment of a container.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`env` and `envFrom`, from the Pod and the objects that it refers to: pure functions.

Variables for the namespace's Services (enableServiceLinks) are not set, but for KUBERNETES_SERVICE_HOST and _PORT.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from lab.pods import downward
from lab.pods.errors import UnsupportedSpec
from lab.pods.objects import Found, Ref

Json = dict[str, Any]
_VARIABLE = re.compile(r"\$\(([\w.-]+)\)|\$\$")
_KEY_REFS = {"secretKeyRef": "secrets", "configMapKeyRef": "configmaps"}
_WHOLE_REFS = {"secretRef": "secrets", "configMapRef": "configmaps"}


def expand(word: str, env: dict[str, str]) -> str:
    """Kubernetes' `$(NAME)` in commands and values; an unknown name stays as it is, `$$` is a dollar."""
    return _VARIABLE.sub(lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), word)


def references(container: Json) -> set[Ref]:
    """Every object that the container's environment needs."""
    found = set()
    for entry in container.get("env", []):
        source = entry.get("valueFrom") or {}
        found |= {
            Ref(k, source[r]["name"], source[r].get("optional", False)) for r, k in _KEY_REFS.items() if r in source
        }
    for entry in container.get("envFrom", []):
        found |= {
            Ref(k, entry[r]["name"], entry[r].get("optional", False)) for r, k in _WHOLE_REFS.items() if r in entry
        }
    return found


def text_data(kind: str, item: Json | None) -> dict[str, str]:
    """The keys of a Secret or ConfigMap with their values as text."""
    data = (item or {}).get("data") or {}
    if kind == "secrets":
        return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}
    return dict(data)


def _value(entry: Json, pod: Json, container: Json, addresses: tuple[str, str], found: Found) -> str | None:
    """What valueFrom stands for; None when an optional reference leads nowhere."""
    source = entry["valueFrom"]
    if "fieldRef" in source:
        return downward.field(pod, source["fieldRef"]["fieldPath"], *addresses)
    if "resourceFieldRef" in source:
        return downward.resource(container, source["resourceFieldRef"])
    for name, kind in _KEY_REFS.items():
        if name in source:
            ref = source[name]
            data = text_data(kind, found[kind, ref["name"]])
            return data.get(ref["key"]) if ref.get("optional") else data[ref["key"]]
    raise UnsupportedSpec(f"valueFrom {sorted(source)} is not supported")


def from_spec(pod: Json, container: Json, addresses: tuple[str, str], found: Found) -> dict[str, str]:
    """The container's own variables; `addresses` are the pod's and the node's."""
    env: dict[str, str] = {}
    for entry in container.get("envFrom", []):
        for name, kind in _WHOLE_REFS.items():
            if name in entry:
                data = text_data(kind, found[kind, entry[name]["name"]])
                env |= {entry.get("prefix", "") + key: value for key, value in data.items()}
    for entry in container.get("env", []):
        if "valueFrom" not in entry:
            env[entry["name"]] = expand(entry.get("value", ""), env)
            continue
        try:
            value = _value(entry, pod, container, addresses, found)
        except UnsupportedSpec as error:
            raise UnsupportedSpec(f"env {entry['name']}: {error}") from error
        if value is not None:
            env[entry["name"]] = value
    return env
