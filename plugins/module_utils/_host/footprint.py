# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was on a host before a role of this collection changed it for the first time, in one format for all roles.

C(/var/lib/mesh-expansion/ROLE/footprint.json), written before the first change and never again:
with it the role's removal puts everything back. Private to the collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import typing as t

from . import paths
from .errors import HostError
from .paths import PathState

ROOT = "/var/lib/mesh-expansion"
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Footprint:
    """The state of before. What a role does not touch is left out."""

    role: str
    paths: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    # All installed packages: what came with ours as a dependency is told from what was there by this list.
    packages: t.Sequence[str] = ()
    # Whether there was an account of this name.
    accounts: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)
    # Unit: {"active": bool, "enabled": bool}.
    units: t.Mapping[str, t.Mapping[str, bool]] = dataclasses.field(default_factory=dict)
    sysctls: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # What a role alone understands.
    more: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def existed(self, path: str) -> bool:
        return self.paths.get(path, paths.NOTHING).kind != paths.ABSENT

    def to_json(self) -> str:
        shown = {
            "version": VERSION,
            "role": self.role,
            "paths": {path: state.as_dict() for path, state in self.paths.items()},
            "packages": sorted(self.packages),
            "accounts": dict(self.accounts),
            "units": {name: dict(state) for name, state in self.units.items()},
            "sysctls": dict(self.sysctls),
            "more": dict(self.more),
        }
        return json.dumps(shown, indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Footprint:
        try:
            shown = json.loads(text)
            if shown["version"] != VERSION:
                raise HostError(
                    f"{where} has the version {shown['version']}, and this collection knows {VERSION}: "
                    "use the one that wrote it."
                )
            return cls(
                role=shown["role"],
                paths={path: PathState.from_dict(state) for path, state in shown["paths"].items()},
                packages=tuple(shown["packages"]),
                accounts=shown["accounts"],
                units=shown["units"],
                sysctls=shown["sysctls"],
                more=shown["more"],
            )
        except (ValueError, LookupError, TypeError, AttributeError) as exc:
            raise HostError(
                f"{where} cannot be read ({exc}): it says how this host was before. Put it right from a backup; "
                "without it nothing can be put back."
            ) from exc


def directory(role: str) -> str:
    return f"{ROOT}/{role}"


def path_of(role: str) -> str:
    return f"{directory(role)}/footprint.json"


def load(role: str) -> Footprint | None:
    """None: the role has not changed this host, or an older release of it did (see the role's own module)."""
    text = paths.read_text(path_of(role))
    return None if text is None else Footprint.from_json(text, path_of(role))


def save(footprint: Footprint) -> None:
    if not os.path.isdir(ROOT):
        paths.put(ROOT, paths.directory("0755"))
    paths.put(directory(footprint.role), paths.directory("0700"))
    paths.put(path_of(footprint.role), paths.text_file(footprint.to_json(), "0600"))


def forget(role: str) -> None:
    """Remove the role's directory, and the collection's when nothing else is in it."""
    paths.put(directory(role), paths.NOTHING)
    # Another role's may be there, or there is none.
    with contextlib.suppress(OSError):
        os.rmdir(ROOT)
