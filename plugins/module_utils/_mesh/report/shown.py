# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of many hosts has room in a picture: those with a fault, and the others as one box. Pure.
Private to the collection."""

from __future__ import annotations

import typing as t

from ..checks.model import FAILED, OK, UNCHECKED, WARNING
from . import model
from .model import Edge, Host, Report, worst

MOST = 12
_RANK = (FAILED, WARNING, UNCHECKED, model.OUT, OK)


class Shown(t.NamedTuple):
    """One box: a host, or what is left of many."""

    key: str
    lines: t.Sequence[str]
    state: str
    tip: str
    edges: t.Sequence[Edge]


def shown(report: Report, role: str) -> list[Shown]:
    boxes = [_host(report, host) for host in report.of(role)]
    if len(boxes) <= MOST:
        return boxes
    ranked = sorted(boxes, key=lambda box: _RANK.index(worst_of(box)))
    return [*ranked[: MOST - 1], _rest(ranked[MOST - 1 :])]


def worst_of(box: Shown) -> str:
    """Of the host, and of the ways to and from it."""
    return min((box.state, *(edge.state for edge in box.edges)), key=_RANK.index)


def _host(report: Report, host: Host) -> Shown:
    ends = {
        model.VM: ((model.TO_VIP, "source"), (model.FROM_PODS, "target")),
        model.NODE: ((model.ACCEPT, "source"),),
        model.DIRECTOR: (),
    }[host.role]
    edges = [edge for kind, end in ends for edge in report.edges_of(kind) if getattr(edge, end) == host.name]
    second = host.note if host.reached is not True else host.address
    lines = [host.name] if second == host.name else [host.name, second]
    return Shown(host.name, lines, host.state, f"{host.name}: {host.note or host.state}", edges)


def _rest(boxes: t.Sequence[Shown]) -> Shown:
    """One box for these, with the worst of each kind of edge."""
    states = [box.state for box in boxes]
    kinds = list(dict.fromkeys(edge.kind for box in boxes for edge in box.edges))
    edges = []
    for kind in kinds:
        found = [edge for box in boxes for edge in box.edges if edge.kind == kind]
        edges.append(Edge(kind, f"{len(boxes)} more", "", worst(edge.state for edge in found)))
    state = worst(states)
    said = "all well" if {worst_of(box) for box in boxes} == {OK} else "see below"
    return Shown("", [f"{len(boxes)} more", said], state, ", ".join(box.key for box in boxes), edges)
