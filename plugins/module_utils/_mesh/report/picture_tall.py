# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a site for a narrow page: the same, from top to bottom, with the connections beside the boxes.
Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..checks.model import UNCHECKED
from . import model, svg
from .model import Edge, Report, worst
from .picture import cluster_line, summary, tip
from .shown import Shown, shown

WIDTH = 360
_LEFT, _RIGHT = 34, 322
_BOX, _STEP, _HEADING, _BETWEEN = 44, 54, 28, 30
# Where connections run that have the same end.
_OUT, _ACCEPT, _IN = 10, 340, 352


def tall(report: Report) -> str:
    vms, nodes, directors = (shown(report, role) for role in (model.VM, model.NODE, model.DIRECTOR))
    at_vm, y = _column(len(vms), _HEADING)
    frame = y + _BETWEEN
    at_director, y = _column(len(directors), frame + 40)
    vip_bottom = y
    at_node, y = _column(len(nodes), vip_bottom + _BETWEEN + _HEADING)
    cluster = y + _BETWEEN
    height = 58 + 34 * len(report.services)
    shapes = [
        svg.text(_LEFT, _HEADING - 10, "VMs", "heading"),
        svg.text(_LEFT, vip_bottom + _BETWEEN + _HEADING - 10, "nodes", "heading"),
        *_outward(vms, at_vm, frame + 20),
        *_forwarded(report, nodes, at_node, vip_bottom),
        *_accepted(nodes, at_node, cluster + 20),
        *_inward(vms, at_vm, cluster + 42),
        *_boxes(vms, at_vm),
        svg.frame(_LEFT, frame, _RIGHT - _LEFT, vip_bottom - frame, report.vip_state, report.vip),
        svg.text(_LEFT + 12, frame + 26, f"virtual address {report.vip}", "name"),
        svg.sign(_RIGHT - 18, frame + 21, report.vip_state),
        *_boxes(directors, at_director, 8),
        *_boxes(nodes, at_node),
        *_cluster(report, cluster, height),
    ]
    return svg.drawing("tall", WIDTH, cluster + height + 6, summary(report), shapes)


def _column(number: int, top: float) -> t.Tuple[list[float], float]:
    """The middles of boxes from there on, and where the next thing begins."""
    return [top + _BOX / 2 + place * _STEP for place in range(number)], top + number * _STEP


def _boxes(items: t.Sequence[Shown], places: t.Sequence[float], inset: float = 0) -> list[str]:
    x, width = _LEFT + inset, _RIGHT - _LEFT - 2 * inset
    return [svg.box(x, y - _BOX / 2, width, _BOX, item.lines, item.state, item.tip) for item, y in zip(items, places)]


def _edge(item: Shown, kind: str) -> Edge:
    return next((edge for edge in item.edges if edge.kind == kind), Edge(kind, item.key, "", UNCHECKED))


def _outward(vms: t.Sequence[Shown], places: t.Sequence[float], end: float) -> list[str]:
    if not vms:
        return []
    branches = [
        svg.straight([(_LEFT, y), (_OUT, y)], edge.state, tip(edge))
        for item, y in zip(vms, places)
        for edge in [_edge(item, model.TO_VIP)]
    ]
    return [svg.trunk([(_OUT, min(places)), (_OUT, end), (_LEFT, end)]), *branches]


def _forwarded(report: Report, nodes: t.Sequence[Shown], places: t.Sequence[float], start: float) -> list[str]:
    """One connection to each node: from the director that holds the address, as long as one does."""
    if not nodes:
        return []
    shapes = [svg.trunk([(_LEFT, start - 10), (_OUT, start - 10), (_OUT, max(places))])]
    for item, y in zip(nodes, places):
        every = [edge for edge in report.edges_of(model.FORWARD) if edge.target == item.key]
        holding = [edge for edge in every if not edge.standby] or every
        if holding:
            text = "; ".join(tip(edge) for edge in holding)
            shapes.append(svg.straight([(_OUT, y), (_LEFT, y)], worst(edge.state for edge in holding), text))
    return shapes


def _accepted(nodes: t.Sequence[Shown], places: t.Sequence[float], end: float) -> list[str]:
    if not nodes:
        return []
    edges = [(y, edge) for item, y in zip(nodes, places) for edge in item.edges if edge.kind == model.ACCEPT]
    if not edges:
        return []
    branches = [svg.straight([(_RIGHT, y), (_ACCEPT, y)], edge.state, tip(edge)) for y, edge in edges]
    return [svg.trunk([(_ACCEPT, min(y for y, dummy in edges)), (_ACCEPT, end), (_RIGHT, end)]), *branches]


def _inward(vms: t.Sequence[Shown], places: t.Sequence[float], start: float) -> list[str]:
    if not vms:
        return []
    branches = [
        svg.straight([(_IN, y), (_RIGHT, y)], edge.state, tip(edge))
        for item, y in zip(vms, places)
        for edge in [_edge(item, model.FROM_PODS)]
    ]
    return [svg.trunk([(_RIGHT, start), (_IN, start), (_IN, min(places))]), *branches]


def _cluster(report: Report, top: float, height: float) -> list[str]:
    own = report.cluster
    shapes = [
        svg.frame(_LEFT, top, _RIGHT - _LEFT, height, own.state, f"cluster: {own.note or own.state}"),
        svg.text(_LEFT + 12, top + 25, f"control plane {report.control_plane}", "name"),
        svg.text(_LEFT + 12, top + 43, cluster_line(own), "small"),
        svg.sign(_RIGHT - 18, top + 22, own.state),
    ]
    for number, service in enumerate(report.services):
        y = top + 76 + number * 34
        shapes += [
            svg.text(_LEFT + 12, y, svg.cut(service.name, 170), "service"),
            svg.text(_RIGHT - 34, y, svg.cut(service.ports, 110), "small", "end"),
            svg.sign(_RIGHT - 18, y - 4, service.state),
        ]
    return shapes
