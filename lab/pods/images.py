# Part of the lab's stand-in for the kubelet: which process an image name stands for.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table images.yml, and the command line and environment of a container made from it and the Pod."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import config

Json = dict[str, Any]
TABLE = Path(__file__).with_name("images.yml")
_VARIABLE = re.compile(r"\$\((\w+)\)|\$\$")


class UnknownImage(Exception):
    """No entry in the table."""


class UnsupportedSpec(Exception):
    """The Pod asks for something that the runner does not do."""


@dataclass(frozen=True)
class Image:
    """As in a container image: command is the entry point, args its default arguments."""

    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)


def load(path: Path = TABLE) -> dict[str, Image]:
    """Read the table; `{python}` and `{repo}` in it become the tools' Python and the checkout."""
    places = {"python": config.venv_python(), "repo": str(config.repo_root())}

    def fill(words: list[str]) -> tuple[str, ...]:
        return tuple(word.format(**places) for word in words)

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        name: Image(
            fill(entry["command"]),
            fill(entry.get("args", [])),
            {k: str(v).format(**places) for k, v in entry.get("env", {}).items()},
        )
        for name, entry in document["images"].items()
    }


def lookup(table: dict[str, Image], name: str) -> Image:
    """An exact name, else the name without its tag."""
    for candidate in (name, name.rsplit(":", 1)[0]):
        if candidate in table:
            return table[candidate]
    raise UnknownImage(f"no process for image {name!r} in lab/pods/images.yml; it has: {', '.join(sorted(table))}")


def expand(word: str, env: dict[str, str]) -> str:
    """Kubernetes' `$(NAME)` in commands and values; an unknown name stays as it is, `$$` is a dollar."""
    return _VARIABLE.sub(lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), word)


def command_line(image: Image, container: Json, env: dict[str, str]) -> list[str]:
    """`command` replaces entry point and arguments, `args` the arguments, as in a kubelet."""
    command = container.get("command")
    args = container.get("args")
    if command is None:
        command, args = image.command, image.args if args is None else args
    return [expand(word, env) for word in (*command, *(args or ()))]


def references(container: Json) -> set[tuple[str, str]]:
    """("secrets" or "configmaps", name) of every object that the container's environment needs."""
    found = set()
    for entry in container.get("env", []):
        source = entry.get("valueFrom", {})
        if "secretKeyRef" in source:
            found.add(("secrets", source["secretKeyRef"]["name"]))
        if "configMapKeyRef" in source:
            found.add(("configmaps", source["configMapKeyRef"]["name"]))
    if container.get("envFrom"):
        raise UnsupportedSpec("envFrom: not supported by the lab's pod runner; use env")
    return found


def spec_env(container: Json, fields: dict[str, str], objects: dict[tuple[str, str], Json]) -> dict[str, str]:
    """The Pod's own `env`, with references resolved from `fields` and the fetched `objects`."""
    env: dict[str, str] = {}
    for entry in container.get("env", []):
        source = entry.get("valueFrom")
        if source is None:
            env[entry["name"]] = expand(entry.get("value", ""), env)
        elif "fieldRef" in source:
            path = source["fieldRef"]["fieldPath"]
            if path not in fields:
                raise UnsupportedSpec(f"env {entry['name']}: fieldPath {path!r} is not supported; use one of {sorted(fields)}")
            env[entry["name"]] = fields[path]
        elif "secretKeyRef" in source:
            ref = source["secretKeyRef"]
            env[entry["name"]] = base64.b64decode(objects["secrets", ref["name"]]["data"][ref["key"]]).decode()
        elif "configMapKeyRef" in source:
            ref = source["configMapKeyRef"]
            env[entry["name"]] = objects["configmaps", ref["name"]]["data"][ref["key"]]
        else:
            raise UnsupportedSpec(f"env {entry['name']}: valueFrom {sorted(source)} is not supported")
    return env


def field_values(pod: Json, pod_ip: str, host_ip: str) -> dict[str, str]:
    """What fieldRef can name."""
    meta, spec = pod["metadata"], pod["spec"]
    values = {
        "metadata.name": meta["name"],
        "metadata.namespace": meta["namespace"],
        "metadata.uid": meta["uid"],
        "spec.nodeName": spec["nodeName"],
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": pod_ip,
        "status.hostIP": host_ip,
    }
    for kind in ("labels", "annotations"):
        for key, value in meta.get(kind, {}).items():
            values[f"metadata.{kind}['{key}']"] = value
    return values
