# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking the sidecar out of a VM: what is there, what has to be done, a pure plan. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..._host import accounts, commands, paths, systemd
from ..._host.change import Operation, Program, Put, Reread, Unit
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from ..._host.transaction import RemoveEmpty
from ..bootstrap import hosts
from . import chains, layout, traces

# apt waits this long for another one.
_LOCK = "DPkg::Lock::Timeout=120"
_SECONDS = 600
# Of all layouts; the one that starts last is stopped first.
_UNITS = (layout.SIDECAR_UNIT, layout.AGENT_UNIT)


@dataclasses.dataclass(frozen=True)
class Present:
    """What of the sidecar is on the host."""

    installed: bool
    # Installed, or something of it stayed when an earlier removal was cut.
    traces: bool
    account: bool
    # Those of our units that systemd knows.
    units: t.Sequence[str]
    # The programs of the packet filter in whose tables there are chains of the sidecar.
    filters: t.Sequence[str]
    programs: PathState
    paths: t.Sequence[str]
    # The hosts file, and what it is to be; unless there is nothing of ours in it.
    hosts: Put | None = None


@dataclasses.dataclass(frozen=True)
class Uncapture:
    """Take out the chains that are still there: a sidecar may have done so at its end."""

    program: str

    def __str__(self) -> str:
        return f"remove the chains of {layout.PACKAGE} ({self.program})"

    def run(self) -> None:
        commands.must(chains.remove(self.program))


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
        units=[name for name, unit in systemd.look(_UNITS).items() if unit.loaded],
        filters=[name for name in traces.filters(footprint) if chains.removal(name)],
        programs=paths.read(layout.PROGRAMS),
        paths=[path for path in _ours(footprint) if os.path.lexists(path)],
        hosts=_hosts_back(footprint),
    )


def _ours(was: Footprint) -> list[str]:
    """What a sidecar of this host never touched is not in its footprint."""
    every = (*layout.PATHS, *layout.TOKEN_PATHS)
    return [path for path in every if path in was.paths and not was.existed(path)]


def _hosts_back(was: Footprint) -> Put | None:
    """As it was; lines that somebody else put into it since then stay."""
    path = traces.hosts_file()
    before, now = was.paths.get(path), paths.read(path)
    if before is None or now.content is None:
        return None
    text = (now.content or b"").decode("utf-8", "surrogateescape")
    without = hosts.without_line(text)
    if without == text:
        return None
    content = without.encode("utf-8", "surrogateescape")
    same = content.rstrip(b"\r\n") == (before.content or b"").rstrip(b"\r\n")
    return Put(path, before if same else dataclasses.replace(now, content=content, mtime=0))


def _programs(now: PathState, before: PathState) -> list[Operation]:
    """dpkg takes a directory that its last package leaves empty: on a host that had it, it comes back; on one that had
    none, none is left unless somebody else uses it by now."""
    kept = now if now.kind == paths.DIRECTORY else before
    if before.kind == paths.DIRECTORY:
        return [Put(layout.PROGRAMS, kept)]
    return [RemoveEmpty(layout.PROGRAMS)] if now.kind == paths.DIRECTORY else []


def plan(found: Present, was: Footprint) -> list[Operation]:
    """In order: nothing runs, nothing is captured, then what they are made of goes."""
    operations: list[Operation] = []
    if found.installed:
        for name in found.units:
            operations += [Unit("stop", name), Unit("disable", name)]
    operations += map(Uncapture, found.filters)
    if found.hosts:
        operations.append(found.hosts)
    if found.traces and layout.PACKAGE not in was.packages:
        operations.append(Purge())
    operations.append(PurgeUnneeded(was.packages))
    operations += _programs(found.programs, was.paths.get(layout.PROGRAMS, found.programs))
    operations += [Put(path, paths.NOTHING) for path in found.paths]
    if found.account and not was.accounts.get(layout.USER, False):
        operations.append(Program(("userdel", layout.USER)))
    return [*operations, Reread()]
