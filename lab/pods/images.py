# Part of the lab's stand-in for the kubelet: which process an image name stands for.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table images.yml, and the command line of a container made from it and the Pod."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab import config
from lab.build import istio
from lab.pods.environment import expand
from lab.pods.errors import CannotStart

log = logging.getLogger("images")
Json = dict[str, Any]
TABLE = Path(__file__).with_name("images.yml")


class UnknownImage(Exception):
    """No entry in the table."""


@dataclass(frozen=True)
class Image:
    """As in a container image: command is the entry point, args its default arguments, user its uid and gid."""

    command: tuple[str, ...]
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    """Folders laid over the machine's root, the uppermost first."""
    user: tuple[int, int] = (0, 0)


def default_places() -> dict[str, str]:
    """What the table's `{NAME}` stand for: the tools' Python, the checkout, what Istio's images hold."""
    return {"python": config.venv_python(), "repo": str(config.repo_root()), "istio": str(istio.images())}


def load(path: Path = TABLE, places: Mapping[str, str] | None = None) -> dict[str, Image]:
    """Read the table."""
    known = default_places() if places is None else places

    def fill(words: list[str]) -> tuple[str, ...]:
        return tuple(str(word).format(**known) for word in words)

    def image(entry: Json) -> Image:
        uid = int(entry.get("user", 0))
        return Image(
            fill(entry["command"]),
            fill(entry.get("args", [])),
            {k: str(v).format(**known) for k, v in entry.get("env", {}).items()},
            fill(entry.get("layers", [])),
            (uid, int(entry.get("group", uid))),
        )

    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: image(entry) for name, entry in document["images"].items()}


class Table:
    """The table as it is now: read again when the file has changed."""

    def __init__(self, path: Path = TABLE) -> None:
        self._path = path
        self._read: int | None = None
        self._images: dict[str, Image] = {}

    def lookup(self, name: str) -> Image:
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._read:
                self._images, self._read = load(self._path), changed
                log.info("read %s: %d images", self._path, len(self._images))
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise CannotStart("ErrImagePull", f"lab/pods/images.yml cannot be read: {error!r}") from error
        try:
            return lookup(self._images, name)
        except UnknownImage as error:
            raise CannotStart("ErrImagePull", str(error)) from error


def lookup(table: dict[str, Image], name: str) -> Image:
    """An exact name, else the name without its tag."""
    for candidate in (name, name.rsplit(":", 1)[0]):
        if candidate in table:
            return table[candidate]
    raise UnknownImage(f"no process for image {name!r} in lab/pods/images.yml; it has: {', '.join(sorted(table))}")


def command_line(image: Image, container: Json, env: dict[str, str]) -> list[str]:
    """`command` replaces entry point and arguments, `args` the arguments, as in a kubelet."""
    command = container.get("command")
    args = container.get("args")
    if command is None:
        command, args = image.command, image.args if args is None else args
    return [expand(word, env) for word in (*command, *(args or ()))]
