# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One director among others: whose turn it is to be changed, and how it stands. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host.paths import FILE, PathState
from . import health, keepalived, layout, model
from .model import Seen, Wanted

FIRST, MIDDLE, LAST = "first", "middle", "last"


def turn(wanted: Wanted, seen: Seen) -> str:
    """The holder comes last, so that the others are ready to take the address. One that holds it without keepalived
    comes first: keepalived on another one would not know of it, and take it as well."""
    if not model.held_at(wanted, seen):
        return MIDDLE
    return LAST if shares(seen) else FIRST


def shares(seen: Seen) -> bool:
    """Whether keepalived runs and the address is its own; it may run for checks alone."""
    return seen.keepalived_unit.active and keepalived.holds(seen.file(layout.KEEPALIVED_CONF))


def stands_by(standby: PathState) -> bool:
    return standby.kind == FILE and (standby.content or b"").strip() not in (b"", b"0")


def _unfit(wanted: Wanted, seen: Seen, table_differs: bool) -> t.Iterator[str]:
    """Why it should not be given the address now."""
    if not seen.keepalived_unit.active:
        yield "keepalived does not run"
    elif not keepalived.is_ours(seen.file(layout.KEEPALIVED_CONF)):
        yield "keepalived has a configuration that is not the role's"
    elif wanted.vrrp and not seen.daemons:
        yield "connections are not synchronised"
    if wanted.checks and not seen.health_unit.active:
        yield f"{layout.HEALTH_UNIT} does not run"
    if wanted.end_to_end and not seen.probe_unit.active:
        yield f"{layout.PROBE_UNIT} does not run"
    if stands_by(seen.file(layout.STANDBY)):
        yield "it is kept out"
    if table_differs:
        yield "its table is not what it should be"


def report(wanted: Wanted, seen: Seen, table_differs: bool) -> dict[str, t.Any]:
    failing = health.by_node(seen.failing)
    return {
        "active": seen.keepalived_unit.active,
        "standby": stands_by(seen.file(layout.STANDBY)),
        "unfit": list(_unfit(wanted, seen, table_differs)),
        "synchronisation": list(seen.daemons),
        "answered_by": list(seen.answered_by),
        "check": wanted.health_check if wanted.checks else model.NONE,
        "failing": list(failing),
        "failing_services": failing,
    }
