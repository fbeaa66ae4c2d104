# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the sidecar out of a VM: what is there, what has to be done, a pure plan. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..._host import accounts, commands, paths
from ..._host.change import Operation, Program, Put, Reread, Unit
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from . import chains, layout

# apt waits this long for another one.
_LOCK = "DPkg::Lock::Timeout=120"
_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Present:
    """What of the sidecar is on the host."""

    installed: bool
    # Installed, or something of it stayed when an earlier removal was cut.
    traces: bool
    account: bool
    # Input of iptables-restore that removes the chains.
    chains: str
    programs: PathState
    paths: t.Sequence[str]


@dataclasses.dataclass(frozen=True)
class Purge:
    """Remove our package with its settings."""

    def __str__(self) -> str:
        return f"purge {layout.PACKAGE}"

    def run(self) -> None:
        _purge([layout.PACKAGE])


@dataclasses.dataclass(frozen=True)
class PurgeUnneeded:
    """Remove what came along as a dependency, and nothing that was there before or that something else needs by now."""

    keep: t.Sequence[str]

    def __str__(self) -> str:
        return f"purge what came with {layout.PACKAGE}"

    def run(self) -> None:
        unneeded = without(commands.must(["apt-get", "--dry-run", "autoremove"], seconds=_SECONDS), self.keep)
        if unneeded:
            _purge(unneeded)


def without(dry_run: str, keep: t.Sequence[str]) -> list[str]:
    """The packages that apt-get would remove, except those to keep."""
    found = re.findall(r"^(?:Remv|Purg) (\S+)", dry_run, re.MULTILINE)
    return [name for name in found if name not in keep]


def _purge(names: t.Sequence[str]) -> None:
    commands.must(["apt-get", "--yes", "-o", _LOCK, "purge", *names], seconds=_SECONDS)


def look_at(footprint: Footprint) -> Present:
    status = commands.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", layout.PACKAGE]).stdout.strip()
    return Present(
        installed=status == "installed",
        traces=status not in ("", "not-installed"),
        account=accounts.exists(layout.USER),
        chains=chains.removal(),
        programs=paths.read(layout.PROGRAMS),
        paths=[path for path in layout.PATHS if not footprint.existed(path) and os.path.lexists(path)],
    )


def plan(found: Present, was: Footprint) -> list[Operation]:
    """In order: nothing runs, nothing is captured, then what they are made of goes."""
    operations: list[Operation] = []
    if found.installed:
        for name in reversed(layout.UNITS):
            operations += [Unit("stop", name), Unit("disable", name)]
    if found.chains:
        operations.append(Program(chains.RESTORE, found.chains))
    if found.traces and layout.PACKAGE not in was.packages:
        operations.append(Purge())
    operations.append(PurgeUnneeded(was.packages))
    if found.programs.kind == paths.DIRECTORY:
        # dpkg takes a directory that its last package leaves empty.
        operations.append(Put(layout.PROGRAMS, found.programs))
    operations += [Put(path, paths.NOTHING) for path in found.paths]
    if found.account and not was.accounts.get(layout.USER, False):
        operations.append(Program(("userdel", layout.USER)))
    return [*operations, Reread()]
