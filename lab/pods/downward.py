# Part of the lab's stand-in for the kubelet: what a Pod can learn about itself.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fieldRef and resourceFieldRef, for environment variables and for downward API volumes: pure functions."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction
from typing import Any

from lab.pods.errors import UnsupportedSpec

Json = dict[str, Any]

NODE_RESOURCES = {"cpu": "2", "memory": "4Gi", "pods": "110"}
"""What every node says it has; the limit of a container that has none."""

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:[eE]([+-]?\d+)|(n|u|m|k|[MGTPE]|[KMGTPE]i)?)")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


def quantity(text: str | float) -> Fraction:
    """A Kubernetes quantity as a number."""
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise UnsupportedSpec(f"{text!r} is not a quantity")
    number, exponent, suffix = match.groups()
    if suffix in _BINARY:
        return Fraction(number) * 2 ** _BINARY[suffix]
    return Fraction(number) * Fraction(10) ** (int(exponent) if exponent else _DECIMAL.get(suffix, 0))


def resource(container: Json, reference: Json) -> str:
    """A limit or request in units of the divisor, rounded up; "0" as a divisor means 1, as in the API."""
    kind, _dot, name = reference["resource"].partition(".")
    if kind not in ("limits", "requests") or name not in ("cpu", "memory"):
        raise UnsupportedSpec(f"resourceFieldRef {reference['resource']!r}: use limits or requests of cpu or memory")
    missing = NODE_RESOURCES[name] if kind == "limits" else "0"
    value = quantity(container.get("resources", {}).get(kind, {}).get(name, missing))
    return str(math.ceil(value / (quantity(reference.get("divisor", "1")) or 1)))


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _map(values: dict[str, str]) -> str:
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def metadata(pod: Json, path: str) -> str | None:
    """The fields that a volume can name; None when `path` is another."""
    meta = pod["metadata"]
    if path in ("metadata.name", "metadata.namespace", "metadata.uid"):
        return str(meta[path.removeprefix("metadata.")])
    if path in ("metadata.labels", "metadata.annotations"):
        return _map(meta.get(path.removeprefix("metadata."), {}))
    match = _SUBSCRIPT.fullmatch(path)
    return str(meta.get(match[1], {}).get(match[2], "")) if match else None


def field(pod: Json, path: str, pod_ip: str, host_ip: str) -> str:
    """The fields that a variable can name."""
    spec = pod["spec"]
    values = {
        "spec.nodeName": spec["nodeName"],
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.podIPs": pod_ip,
        "status.hostIP": host_ip,
        "status.hostIPs": host_ip,
    }
    found = values[path] if path in values else metadata(pod, path)
    if found is None:
        raise UnsupportedSpec(f"fieldPath {path!r} is not supported; use one of {sorted(values)} or of metadata")
    return found
