# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a VM for its sidecar, and changing it back. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import time
import typing as t

from ..._host import change, commands, footprint, guard, packages, paths, systemd
from ..._host.change import Operation, Unit
from ..._host.errors import HostError
from . import chains, layout, look, move, plan, removal, traces
from .layout import Layout
from .look import Seen
from .move import Arrival
from .plan import Own
from .settings import Settings

BACK = "put the sidecar of before the move back"
CUT = "put back what a run that was cut has changed"
# What systemd does with a unit that is to run.
_RUNNING = ("active", "activating", "reloading")


class Outcome(t.NamedTuple):
    changed: bool
    operations: list[str]
    diff: list[dict[str, str]]
    # Whether a run has to prove that the host can be reached, lest the old state comes back.
    guarded: bool = False
    # For how many seconds a sidecar that ran was not to be had, at most.
    pause: float = 0.0
    # Whether the sidecar of another generation was replaced, and can be put back.
    kept: bool = False


def prepare(made: Layout, check: bool) -> Outcome:
    """What has to be there before a package is fetched: the footprint, the way back, a place for it."""
    cut = guard.pending(layout.ROLE) if check else guard.undo_cut(layout.ROLE)
    steps = [CUT] if cut else []
    installed = packages.installed().get(layout.PACKAGE, "")
    if footprint.load(layout.ROLE) is None:
        steps.append(f"remember how this host was in {footprint.path_of(layout.ROLE)}")
    if paths.read(layout.CACHE) != paths.directory():
        steps.append(f"make directory {layout.CACHE}")
    if not check:
        traces.keep(made)
        traces.keep_package(installed)
        paths.put(layout.CACHE, paths.directory())
    return Outcome(bool(steps), steps, [])


def steps_of(seen: Seen, settings: Settings) -> list[str]:
    """What would be done now."""
    cut = [CUT] if guard.pending(layout.ROLE) else []
    return [*cut, *(str(operation) for operation in plan.plan(seen, settings))]


def present(
    settings: Settings,
    restart: bool,
    upgraded_from: str,
    check: bool,
    after: t.Callable[[Operation], None] | None = None,
    arrival: Arrival = move.NOTHING,
) -> Outcome:
    """Files, account, units: what the settings say, or what was there before."""
    cut = guard.pending(layout.ROLE) if check else guard.undo_cut(layout.ROLE)
    seen = look.look(settings)
    if not (seen.former and arrival.package):
        # Nothing to move from: another package has been installed over it.
        seen = dataclasses.replace(seen, former=None)
    elif not check:
        refuse_without_return(seen.version)
    if not seen.version and not check:
        raise HostError(
            f"The package {layout.PACKAGE} is not installed on this host: run the role mesh.expansion.istio_sidecar, "
            "which fetches and installs it, or install it yourself and run again."
        )
    operations = plan.plan(seen, settings, restart, arrival)
    steps = [*([CUT] if cut else []), *(str(operation) for operation in operations)]
    changes = plan.changes(operations)
    outcome = Outcome(cut or changes, steps, change.diff(operations, seen.paths))
    if check:
        return outcome
    if not changes:
        for operation in operations:
            change.finish(operation)
        return outcome
    traces.keep(settings.layout)
    begin = time.monotonic()
    change.apply(layout.ROLE, operations, before(seen, operations, upgraded_from, settings.layout), after)
    stops = any(isinstance(item, Unit) and item.action in ("stop", "restart") for item in operations)
    ran = stops and seen.unit(layout.SIDECAR_UNIT).active
    pause = round(time.monotonic() - begin, 1) if ran else 0.0
    return outcome._replace(guarded=True, pause=pause, kept=arrival.keeps and seen.former is not None)


def before(seen: Seen, operations: t.Sequence[Operation], upgraded_from: str, made: Layout) -> guard.Before:
    """What the guard puts back."""
    touched = change.touched(operations)
    was = {path: seen.at(path) for path in touched if path != layout.SHARED_MEMORY}
    was.update(move.before(touched, seen.former is not None))
    for operation in operations:
        if isinstance(operation, Own):
            was.update({path: seen.foreign[path] for path in operation.paths})
    # Those of a former sidecar as well.
    names = list(dict.fromkeys([*(seen.former.units if seen.former else ()), *made.units]))
    filters = list(dict.fromkeys([*(seen.former.filters if seen.former else ()), *made.filters]))
    units = {
        # A package that lacks the units leaves the links to them.
        name: {
            "active": seen.unit(name).state in _RUNNING,
            "enabled": seen.unit(name).enabled or os.path.lexists(f"{layout.WANTS}/{name}"),
        }
        for name in names
    }
    # The start script of the unit makes the packet filter rules, and its end leaves them: what was active is started
    # again and makes its own. Until then nothing must be captured.
    first: list[t.Sequence[str]] = [("systemctl", "stop", *reversed(names)), *map(chains.remove, filters)]
    if upgraded_from and traces.package_version(traces.previous()) == upgraded_from:
        first.append(move.insist(install_previous()) if seen.former else install_previous())
    return guard.Before(was, units, first)


def refuse_without_return(installed: str) -> None:
    if traces.package_version(traces.previous()) != installed:
        raise HostError(
            f"The file of the package {layout.PACKAGE} {installed} is not on this host, so the sidecar that runs could "
            f"not be put back. Put it into {layout.CACHE}, and run again."
        )


def install_previous() -> tuple[str, ...]:
    # Settings that people changed stay.
    return ("dpkg", "--force-confdef", "--force-confold", "--install", traces.previous())


def revert(upgraded_from: str, check: bool) -> Outcome:
    """After an installation that failed: the package of before. What runs is not touched."""
    if not upgraded_from or packages.installed().get(layout.PACKAGE) == upgraded_from:
        return Outcome(False, [], [])
    if traces.package_version(traces.previous()) != upgraded_from:
        raise HostError(
            f"The package {layout.PACKAGE} {upgraded_from} cannot be put back: its file was not in {layout.CACHE}. "
            "Install it again by setting istio_sidecar_package to it."
        )
    if not check:
        commands.must(install_previous(), seconds=300)
    return Outcome(True, [f"install {layout.PACKAGE} {upgraded_from} again"], [])


def go_back(timeout: int, istio_namespace: str, check: bool) -> Outcome:
    """The sidecar of another generation that the last move has replaced, as it was. Nothing where no move is open."""
    if not guard.keeps(layout.ROLE):
        return Outcome(False, [], [])
    if not check:
        guard.go_back(layout.ROLE)
        loaded = [name for name, unit in systemd.look(layout.UNITS).items() if unit.loaded]
        change.finish(plan.Await(timeout, istio_namespace, layout.of_units(loaded) or layout.AGENT_AND_PROXY))
    return Outcome(True, [BACK], [])


def settle(check: bool) -> Outcome:
    """What has moved stays: the way back, with the certificate of before, is forgotten."""
    there = guard.keeps(layout.ROLE)
    if there and not check:
        guard.settle(layout.ROLE)
    return Outcome(there, [f"forget {guard.kept(layout.ROLE)}"] if there else [], [])


def absent(check: bool) -> Outcome:
    """The host as it was before. What was cut is completed by the next run."""
    kept = traces.known()
    place = os.path.isdir(footprint.directory(layout.ROLE))
    operations: list[Operation] = [] if kept is None else removal.plan(removal.look_at(kept), kept)
    if not check:
        # What a run that was cut has changed goes with the rest.
        guard.disarm(layout.ROLE)
        for operation in operations:
            change.finish(operation)
        footprint.forget(layout.ROLE)
    steps = [str(operation) for operation in operations]
    if place:
        steps.append(f"forget {footprint.directory(layout.ROLE)}")
    return Outcome(bool(steps), steps, [])
