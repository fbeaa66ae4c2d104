# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of a site for a wide page: VMs, the virtual address with its directors, nodes, the control plane.
Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..checks.model import FAILED, OK, WARNING
from . import model, svg
from .model import Edge, Host, Report
from .shown import Shown, shown

WIDTH, _TOP = 1000, 44
_BOX, _GAP = 46, 14
# Where the columns begin, and how wide they are.
_VMS, _VIP, _NODES, _CLUSTER = (44, 200), (330, 200), (605, 160), (818, 182)
# Of the box around the directors: its head, and the space beside them.
_FRAME, _PAD = 40, 12
_SERVICE = 40


def wide(report: Report) -> str:
    vms, nodes, directors = (shown(report, role) for role in (model.VM, model.NODE, model.DIRECTOR))
    heights = [_stack(len(vms)), _stack(len(nodes)), _stack(len(directors)) + _FRAME + 14, _cluster_height(report)]
    middle = _TOP + max(heights) / 2
    at_vm, at_node = _places(len(vms), middle), _places(len(nodes), middle)
    at_director = [place + _FRAME / 2 - 7 for place in _places(len(directors), middle)]
    bottom = _TOP + max(heights) + 30
    shapes = [
        *_headings(),
        *_outward(vms, at_vm, middle),
        *_forwarded(report, directors, nodes, at_director, at_node),
        *_accepted(nodes, at_node, middle),
        *_inward(vms, at_vm, bottom, middle + heights[3] / 2),
        *(_host(_VMS, y, item) for item, y in zip(vms, at_vm)),
        *_vip(report, directors, at_director, middle),
        *(_host(_NODES, y, item) for item, y in zip(nodes, at_node)),
        *_cluster(report, middle),
    ]
    return svg.drawing("wide", WIDTH, bottom + 14, summary(report), shapes)


def summary(report: Report) -> str:
    """For who cannot see the picture."""
    bad = [f"{edge.source} to {edge.target} {edge.state}" for edge in report.edges if edge.state in (FAILED, WARNING)]
    hosts = ", ".join(
        f"{len(report.of(role))} {name}"
        for role, name in ((model.VM, "VMs"), (model.DIRECTOR, "directors"), (model.NODE, "nodes"))
    )
    return f"{hosts}, virtual address {report.vip}. {'; '.join(bad) or 'No connection has a fault'}."


def _stack(number: int) -> float:
    return number * (_BOX + _GAP) - _GAP


def _places(number: int, middle: float) -> list[float]:
    """The middles of boxes above each other."""
    first = middle - _stack(number) / 2 + _BOX / 2
    return [first + place * (_BOX + _GAP) for place in range(number)]


def _headings() -> list[str]:
    titles = ((_VMS, "VMs"), (_VIP, "virtual address"), (_NODES, "nodes"), (_CLUSTER, "control plane"))
    return [svg.text(x, 20, title, "heading") for (x, dummy), title in titles]


def _host(column: t.Tuple[int, int], y: float, item: Shown) -> str:
    x, width = column
    return svg.box(x, y - _BOX / 2, width, _BOX, item.lines, item.state, item.tip)


def _outward(vms: t.Sequence[Shown], at_vm: t.Sequence[float], middle: float) -> list[str]:
    end = (_VIP[0] - _PAD, middle)
    return [
        svg.curve((sum(_VMS), y), end, edge.state, tip(edge))
        for item, y in zip(vms, at_vm)
        for edge in item.edges
        if edge.kind == model.TO_VIP
    ]


def _forwarded(
    report: Report,
    directors: t.Sequence[Shown],
    nodes: t.Sequence[Shown],
    at_director: t.Sequence[float],
    at_node: t.Sequence[float],
) -> list[str]:
    from_y = dict(zip((item.key for item in directors), at_director))
    to_y = dict(zip((item.key for item in nodes), at_node))
    return [
        svg.curve((sum(_VIP), from_y[edge.source]), (_NODES[0], to_y[edge.target]), edge.state, tip(edge), edge.standby)
        for edge in report.edges_of(model.FORWARD)
        if edge.source in from_y and edge.target in to_y
    ]


def _accepted(nodes: t.Sequence[Shown], at_node: t.Sequence[float], middle: float) -> list[str]:
    return [
        svg.curve((sum(_NODES), y), (_CLUSTER[0], middle), edge.state, tip(edge))
        for item, y in zip(nodes, at_node)
        for edge in item.edges
        if edge.kind == model.ACCEPT
    ]


def _inward(vms: t.Sequence[Shown], at_vm: t.Sequence[float], bottom: float, cluster: float) -> list[str]:
    """Pods reach VMs directly, below everything else."""
    if not vms:
        return []
    left, right = 10, _CLUSTER[0] + _CLUSTER[1] / 2
    shapes = [
        svg.trunk([(right, cluster), (right, bottom), (left, bottom), (left, min(at_vm))]),
        svg.text(sum(_VIP), bottom - 6, "pods → VMs, direct", "small", "middle"),
    ]
    return shapes + [
        svg.straight([(left, y), (_VMS[0], y)], edge.state, tip(edge))
        for item, y in zip(vms, at_vm)
        for edge in item.edges
        if edge.kind == model.FROM_PODS
    ]


def _vip(report: Report, directors: t.Sequence[Shown], places: t.Sequence[float], middle: float) -> list[str]:
    x, width = _VIP
    height = _stack(len(directors)) + _FRAME + 14
    top = middle - height / 2
    return [
        svg.frame(x - _PAD, top, width + 2 * _PAD, height, report.vip_state, f"{report.vip}: {report.vip_state}"),
        svg.text(x, top + 25, report.vip, "name"),
        svg.sign(x + width - 18, top + 21, report.vip_state),
        *(
            svg.box(x, y - _BOX / 2, width, _BOX, item.lines, item.state, item.tip)
            for item, y in zip(directors, places)
        ),
    ]


def _cluster_height(report: Report) -> float:
    return 56 + _SERVICE * len(report.services) + 8


def _cluster(report: Report, middle: float) -> list[str]:
    x, width = _CLUSTER
    height = _cluster_height(report)
    top = middle - height / 2
    own = report.cluster
    shapes = [
        svg.frame(x, top, width, height, own.state, f"cluster: {own.note or own.state}"),
        svg.text(x + 12, top + 24, report.control_plane, "name"),
        svg.text(x + 12, top + 42, cluster_line(own), "small"),
        svg.sign(x + width - 18, top + 22, own.state),
    ]
    for number, service in enumerate(report.services):
        y = top + 60 + number * _SERVICE
        shapes += [
            svg.text(x + 12, y + 12, svg.cut(service.name, width - 44), "service"),
            svg.text(x + 12, y + 27, svg.cut(service.ports, width - 44), "small"),
            svg.sign(x + width - 18, y + 14, service.state),
        ]
    return shapes


def cluster_line(own: Host) -> str:
    versions = own.versions
    said = [versions[name] for name in ("control plane",) if name in versions]
    said += [f"Kubernetes {versions['Kubernetes'].lstrip('v')}"] if "Kubernetes" in versions else []
    return own.note if own.reached is False else svg.cut(", ".join(said), 205)


def tip(edge: Edge) -> str:
    standby = " (standby)" if edge.standby and edge.state == OK else ""
    return f"{edge.source} → {edge.target}: {edge.state}{standby}{', ' if edge.detail else ''}{edge.detail}"
