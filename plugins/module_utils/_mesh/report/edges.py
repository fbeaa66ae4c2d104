# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways of connections through a site, and what rows and looks say of each. Pure. Private to the collection."""

from __future__ import annotations

import re
import typing as t

from ..checks.model import FAILED, OK, UNCHECKED, WARNING, Row
from ..generations.model import EXPOSURE, Generation
from . import model
from .model import Edge, Host, clean, worst

Mapping = t.Mapping[str, t.Any]
# Checks of a VM that need the virtual address, and checks of the cluster that ask for a VM.
OUTWARD = ("resolver", "lookups", "agent", "pushed", "vm_to_pods", "proxy")
INWARD = ("registration", "groups", "entry", "endpoint", "plain", "peer", "request")


def edges(
    generation: Generation,
    site: Mapping,
    hosts: t.Sequence[Host],
    rows: t.Sequence[Row],
    directors: t.Mapping[str, Mapping],
    cluster_read: bool,
) -> list[Edge]:
    """C(directors) are the results of M(mesh.expansion.director_look) by host."""
    vms = [host for host in hosts if host.role == model.VM]
    nodes = [host for host in hosts if host.role == model.NODE]
    # What names must answer is the cluster's word.
    told = [check for check in OUTWARD if cluster_read or check != "lookups"]
    outward = {text.id for text in generation.rows if text.check in told}
    inward = {text.id for text in generation.rows if text.check in INWARD}
    exposed = [row for row in rows if row.row in _exposure_ids(generation, site)]
    used = _used(site)
    return [
        *(_way(model.TO_VIP, vm.name, "VIP", _about(rows, vm, outward), vm.reached is True) for vm in vms),
        *(
            _forwarded(host, node, directors.get(host.name) or {})
            for host in hosts
            if host.role == model.DIRECTOR
            for node in nodes
            if node.name in used
        ),
        *(
            _way(model.ACCEPT, node.name, "cluster", exposed, cluster_read and node.reached is not False)
            for node in nodes
            if node.name in used
        ),
        *(_way(model.FROM_PODS, "cluster", vm.name, _about(rows, vm, inward), cluster_read) for vm in vms),
    ]


def _exposure_ids(generation: Generation, site: Mapping) -> set[str]:
    ids = {text.id for text in generation.rows if text.check == EXPOSURE}
    return {*ids, *(clean(entry["name"]) for entry in site["services"])}


def _used(site: Mapping) -> set[str]:
    """The nodes that any exposed Service is forwarded to."""
    every = [clean(node["name"]) for node in site["nodes"]]
    lists = [[clean(name) for name in entry.get("nodes") or []] or every for entry in site["services"]]
    return {name for names in lists for name in names}


def _about(rows: t.Sequence[Row], host: Host, ids: t.Collection[str]) -> list[Row]:
    return [row for row in rows if row.row in ids and host.name in model.hosts_of(row)]


def _way(kind: str, source: str, target: str, rows: t.Sequence[Row], known: bool) -> Edge:
    """Of an end that was not reached nothing is known; that it was not is said of the end."""
    if not known:
        return Edge(kind, source, target, UNCHECKED, model.NOT_LOOKED_AT)
    bad = [row for row in rows if row.state in (FAILED, WARNING)]
    detail = "; ".join(f"{row.row} {row.what}: {row.detail}" for row in bad or rows)
    return Edge(kind, source, target, worst(row.state for row in rows), detail)


def _forwarded(director: Host, node: Host, seen: Mapping) -> Edge:
    """What the director's table has for the node, as far as the director says it."""
    edge = Edge(model.FORWARD, director.name, node.name, OK, "in the director's table")
    if "operations" not in seen:
        return edge._replace(state=UNCHECKED, detail=model.NOT_LOOKED_AT)
    edge = edge._replace(standby=not seen["places"])
    own = seen.get("keepalived") or {}
    if node.address in (own.get("failing") or []):
        return edge._replace(state=FAILED, detail="taken out by the director's checks: it does not answer")
    if node.address in seen["drained"]:
        return edge._replace(state=model.OUT, detail="drained: it gets no new connections")
    named = re.compile(rf"(?<![\d.]){re.escape(node.address)}(?![\d.])")
    wanted = [clean(operation) for operation in seen["operations"] if named.search(str(operation))]
    if wanted:
        return edge._replace(state=FAILED, detail=f"the next run would: {'; '.join(wanted)}")
    if node.reached is False:
        return edge._replace(state=WARNING, detail="connections are forwarded to it, and it was not reached")
    return edge
