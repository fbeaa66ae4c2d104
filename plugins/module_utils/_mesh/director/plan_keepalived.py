# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about keepalived on a director. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import paths
from ..._host.change import Operation, Put, Reread, Unit
from ..._host.footprint import Footprint
from ..._host.packages import INSTALLED
from ..._host.systemd import UnitState
from ..._host.transaction import RemoveEmpty
from . import asking, keepalived, layout, pair, puts, texts
from .daemon import Detach, Install, Purge, Settle, StopSynchronisation
from .model import Seen, Service, Wanted

_VALIDATE = ("keepalived", "-t", "-f", "%s")
PLAYING, STANDING_BY = "0\n", "1\n"


def remembered(wanted: Wanted, seen: Seen, known: Footprint) -> Footprint:
    """How keepalived was before the role: from the first run that uses it."""
    if not wanted.uses_keepalived or layout.KEEPALIVED_CONF in known.paths:
        return known
    installed = sorted(name for name, state in seen.packages.items() if state == INSTALLED)
    return dataclasses.replace(
        known,
        paths={**known.paths, layout.KEEPALIVED_CONF: seen.file(layout.KEEPALIVED_CONF)},
        units={**known.units, layout.KEEPALIVED_UNIT: seen.keepalived_unit.as_dict()},
        packages=installed,
    )


def forgotten(known: Footprint) -> Footprint:
    """The footprint when keepalived is as it was."""
    return dataclasses.replace(
        known,
        paths={path: state for path, state in known.paths.items() if path != layout.KEEPALIVED_CONF},
        units={name: state for name, state in known.units.items() if name != layout.KEEPALIVED_UNIT},
        packages=(),
    )


def package(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    if wanted.uses_keepalived and seen.packages.get(layout.KEEPALIVED_PACKAGE) != INSTALLED:
        yield Install(layout.KEEPALIVED_PACKAGE)


def run(
    wanted: Wanted, seen: Seen, device: str, services: t.Sequence[Service], other_program: bool
) -> t.Iterator[Operation]:
    """Its configuration, then itself; the table is loaded by now, and the next boot loads it before keepalived."""
    if wanted.checks:
        yield from _watch(wanted, seen, device, other_program)
    if wanted.vrrp and seen.file(layout.STANDBY).kind != paths.FILE:
        yield from puts.directory(seen, layout.STATE)
        yield from puts.file(seen, layout.STANDBY, PLAYING)
    unit = [
        *puts.directory(seen, layout.KEEPALIVED_DROP_INS),
        *puts.file(seen, layout.KEEPALIVED_DROP_IN, keepalived.drop_in(wanted)),
    ]
    yield from unit
    if unit:
        yield Reread()
    changed = list(configure(wanted, seen, device, services))
    yield from changed
    if not seen.keepalived_unit.enabled:
        yield Unit("enable", layout.KEEPALIVED_UNIT)
    checked = seen.keepalived_unit.active and keepalived.checks(seen.file(layout.KEEPALIVED_CONF))
    kept = (not wanted.vrrp and pair.shares(seen)) or (not wanted.checks and checked)
    if kept:
        # It would take off the address, or the services, when it reads that they are not its own any more.
        yield Detach()
    if kept or not seen.keepalived_unit.active:
        yield Unit("start", layout.KEEPALIVED_UNIT)
    elif changed:
        yield Unit("reload", layout.KEEPALIVED_UNIT)
    if seen.daemons and not wanted.vrrp and not kept:
        yield StopSynchronisation()
    if not wanted.checks:
        yield from _watch_no_more(seen)
    if wanted.vrrp and (changed or not seen.keepalived_unit.active):
        yield Settle(wanted.vip, device)


def _watch(wanted: Wanted, seen: Seen, device: str, other_program: bool) -> t.Iterator[Operation]:
    """Whoever asks the nodes runs before keepalived follows its files, and where it asks from is there before."""
    roots = list(_roots(wanted, seen))
    yield from roots
    ways = list(probe(wanted, seen, device))
    yield from ways
    unit = list(puts.file(seen, layout.HEALTH_UNIT_FILE, texts.health(wanted)))
    yield from unit
    if ways or unit:
        yield Reread()
    if wanted.end_to_end:
        yield from _running(layout.PROBE_UNIT, seen.probe_unit, bool(ways))
    yield from _running(layout.HEALTH_UNIT, seen.health_unit, bool(roots or unit or other_program))
    if not wanted.end_to_end and seen.file(layout.PROBE_UNIT_FILE).kind != paths.ABSENT:
        yield from _stopped(layout.PROBE_UNIT, seen.probe_unit)
        yield from puts.gone(seen, layout.PROBE_UNIT_FILE)
        yield from puts.gone(seen, layout.HEALTH_ROOTS)
        yield Reread()


def _running(name: str, unit: UnitState, changed: bool) -> t.Iterator[Operation]:
    if not unit.enabled:
        yield Unit("enable", name)
    if not unit.active:
        yield Unit("start", name)
    elif changed:
        yield Unit("restart", name)


def _stopped(name: str, unit: UnitState) -> t.Iterator[Operation]:
    if unit.enabled:
        yield Unit("disable", name)
    if unit.active:
        yield Unit("stop", name)


def probe(wanted: Wanted, seen: Seen, device: str) -> t.Iterator[Operation]:
    """Where services are asked from."""
    if wanted.end_to_end and wanted.health_address is not None:
        length = asking.prefix(seen.places, device, wanted.health_address)
        yield from puts.file(seen, layout.PROBE_UNIT_FILE, texts.probe(wanted, device, length))


def _roots(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    """Those that are not known now stay as they are."""
    if wanted.end_to_end and wanted.health_tls and wanted.health_roots:
        yield from puts.file(seen, layout.HEALTH_ROOTS, wanted.health_roots)


def unwatch(seen: Seen) -> t.Iterator[Operation]:
    """Nobody follows the files any more."""
    yield from _stopped(layout.HEALTH_UNIT, seen.health_unit)
    # With its namespace go the interface, the address and the routes in it.
    yield from _stopped(layout.PROBE_UNIT, seen.probe_unit)
    if seen.file(layout.HEALTH_UNIT_FILE).kind != paths.ABSENT:
        # With it goes the directory, which stays when it ends; systemd leaves its link to it.
        yield Unit("clean", layout.HEALTH_UNIT)
        yield Put(layout.HEALTH, paths.NOTHING)


def _watch_no_more(seen: Seen) -> t.Iterator[Operation]:
    yield from unwatch(seen)
    ours = (layout.HEALTH_UNIT_FILE, layout.PROBE_UNIT_FILE, layout.HEALTH_ROOTS)
    files = [step for path in ours for step in puts.gone(seen, path)]
    yield from files
    if files:
        yield Reread()


def configure(wanted: Wanted, seen: Seen, device: str, services: t.Sequence[Service]) -> t.Iterator[Operation]:
    text = keepalived.configuration(wanted, device, services)
    yield from puts.file(seen, layout.KEEPALIVED_CONF, text, _VALIDATE)


def reconfigure(wanted: Wanted, seen: Seen, device: str, services: t.Sequence[Service]) -> t.Iterator[Operation]:
    """For real servers that are to be out of service, or in again, whatever keepalived does next."""
    if wanted.checks and keepalived.is_ours(seen.file(layout.KEEPALIVED_CONF)):
        changed = list(configure(wanted, seen, device, services))
        yield from changed
        if changed and seen.keepalived_unit.active:
            yield Unit("reload", layout.KEEPALIVED_UNIT)


def end(seen: Seen, gently: bool) -> t.Iterator[Operation]:
    """Back to how it was before the role. Not gently, the address and the table stay for the unit of the role."""
    if not keepalived.is_ours(seen.file(layout.KEEPALIVED_CONF)):
        return
    before = seen.footprint or Footprint(layout.ROLE)
    was = before.units.get(layout.KEEPALIVED_UNIT, {"active": False, "enabled": False})
    if gently and seen.keepalived_unit.active:
        yield Unit("stop", layout.KEEPALIVED_UNIT)
    if gently and seen.daemons:
        yield StopSynchronisation()
    yield Put(layout.KEEPALIVED_CONF, before.paths.get(layout.KEEPALIVED_CONF, paths.NOTHING))
    # With its package the unit goes by itself.
    if seen.keepalived_unit.enabled and not was["enabled"] and not seen.surplus:
        yield Unit("disable", layout.KEEPALIVED_UNIT)
    if not gently:
        # Before the end, or systemd would start it again.
        yield from puts.gone(seen, layout.KEEPALIVED_DROP_IN)
        yield RemoveEmpty(layout.KEEPALIVED_DROP_INS)
        yield Reread()
        if seen.keepalived_unit.active:
            yield Detach()
        yield from _watch_no_more(seen)
        yield from puts.gone(seen, layout.STANDBY)
    if was["active"]:
        yield Unit("start", layout.KEEPALIVED_UNIT)
    if seen.surplus:
        yield Purge(tuple(seen.surplus))


def stand(wanted: Wanted, seen: Seen, device: str, text: str) -> t.Iterator[Operation]:
    """Keep this director from holding the address, or let it be a candidate again."""
    yield from puts.directory(seen, layout.STATE)
    puts_text = list(puts.file(seen, layout.STANDBY, text))
    yield from puts_text
    if puts_text and text == STANDING_BY and seen.keepalived_unit.active:
        yield Settle(wanted.vip, device, elsewhere=True)
