# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what verification found on a site to what a report shows of it. Pure. Private to the collection."""

from __future__ import annotations

import datetime
import re
import typing as t

from .. import generations
from ..checks import rows_pair
from ..checks.model import FAILED, OK, UNCHECKED, WARNING, Row
from ..generations.model import CLUSTER, EXPOSURE, TOKEN, Generation
from ..preflight import skew
from ..sidecar import layout
from ..unseen import unreachable
from . import edges, model
from .endings import endings
from .model import Host, Report, Service, clean, worst

Mapping = t.Mapping[str, t.Any]
Results = t.Mapping[str, Mapping]
SIDECAR, ENVOY, KERNEL, SYSTEM = "sidecar", "Envoy", "kernel", "system"
KUBERNETES, ISTIO = "Kubernetes", "control plane"
_NUMBER = re.compile(r"\d+(\.\d+)+[-+~.\w]*")


class Looks(t.NamedTuple):
    """Results of tasks, by host where there are hosts. A host that the play does not work on has no key in C(facts)."""

    directors: Results
    vms: Results
    # Of ansible.builtin.setup, envoy_info, verify_cluster and kube_access_info.
    facts: Results
    envoys: Results
    cluster: Mapping
    api: Mapping


def build(site: Mapping, rows: t.Sequence[Mapping], looks: Looks, now: datetime.datetime, days: int) -> Report:
    """C(site) is the part V(picture) of a site, C(rows) are those of P(mesh.expansion.verify_rows#filter)."""
    generation = generations.generation(site["control_plane"])
    judged = [_judged(row) for row in rows]
    cluster = _cluster(generation, judged, looks)
    istiod = cluster.versions.get(ISTIO, "") if generation.identity == TOKEN else ""
    looked = {model.DIRECTOR: looks.directors, model.VM: looks.vms}
    hosts = [
        _host(role, item, _own_rows(generation, role, judged), looked.get(role, {}).get(item["name"]), looks, istiod)
        for role, kind in ((model.DIRECTOR, "directors"), (model.NODE, "nodes"), (model.VM, "vms"))
        for item in site[kind]
    ]
    return Report(
        moment=now.replace(microsecond=0),
        control_plane=generation.name,
        releases=generation.releases,
        vip=clean(site["vip"]),
        vip_state=_vip_state(looks.directors, judged),
        cluster=cluster,
        hosts=hosts,
        services=[_service(entry, generation, judged) for entry in site["services"]],
        edges=edges.edges(generation, site, hosts, judged, looks.directors, "checks" in looks.cluster),
        rows=judged,
        endings=endings(looks.vms, now, days),
    )


def _judged(row: Mapping) -> Row:
    text = {name: clean(value) for name, value in row.items()}
    return Row(text["row"], text["what"], text["check"], text["state"], bool(row["ok"]), text["detail"], text["host"])


def _own_rows(generation: Generation, role: str, rows: t.Sequence[Row]) -> list[Row]:
    """Those that are about a host itself. What a row says of a connection is said by its edge."""
    ids = {text.id for text in generation.rows if text.scope == role and text.check not in edges.OUTWARD}
    return [row for row in rows if row.row in ids]


def _host(role: str, item: Mapping, rows: t.Sequence[Row], looked: Mapping | None, looks: Looks, istiod: str) -> Host:
    name = item["name"]
    own = Host(role, clean(name), clean(item["address"]))
    facts = looks.facts.get(name)
    if facts is None:
        return own._replace(state=UNCHECKED, note=model.NOT_LOOKED_AT, reached=None)
    lost = next((result for result in (looked or {}, facts) if unreachable(result)), None)
    if lost is not None:
        return own._replace(state=FAILED, note=model.NOT_REACHED, reached=False, reason=clean(lost.get("msg") or ""))
    own = own._replace(versions=_versions(facts, looked or {}, looks.envoys.get(name) or {}))
    found = [row.state for row in rows if row.host == own.name]
    note = _skew(own.versions.get(SIDECAR, ""), istiod)
    return own._replace(state=worst([*found, OK, *([WARNING] if note else [])]), note=note)


def _versions(facts: Mapping, looked: Mapping, envoy: Mapping) -> dict[str, str]:
    seen = facts.get("ansible_facts") or {}
    system = [seen.get("ansible_distribution") or "", seen.get("ansible_distribution_version") or ""]
    package = str(((looked.get("checks") or {}).get("package") or {}).get("good") or "")
    found = {
        SIDECAR: package.partition(f"{layout.PACKAGE} ")[2],
        ENVOY: _number((envoy.get("server") or {}).get("version")),
        KERNEL: seen.get("ansible_kernel") or "",
        SYSTEM: " ".join(part for part in system if part),
    }
    return {name: clean(value) for name, value in found.items() if value}


def _number(text: t.Any) -> str:
    """Of Envoy's own description, which begins with a commit: the version."""
    found = _NUMBER.search(str(text or ""))
    return found.group() if found else ""


def _skew(sidecar: str, istiod: str) -> str:
    """Why the sidecar does not go with its istiod; of several, with the oldest."""
    there = [found for found in map(skew.parse, istiod.split(", ")) if found]
    own = skew.parse(sidecar)
    return skew.refusal(own, min(there)) if there and own else ""


def _cluster(generation: Generation, rows: t.Sequence[Row], looks: Looks) -> Host:
    own = Host(model.CLUSTER, "cluster", "", versions=_cluster_versions(generation, looks.api))
    if "checks" not in looks.cluster:
        return own._replace(state=FAILED, note=model.NOT_REACHED, reached=False)
    # Its Services and its ways to the VMs are drawn by themselves.
    drawn = (*edges.INWARD, EXPOSURE)
    ids = {text.id for text in generation.rows if text.scope == CLUSTER and text.check not in drawn}
    return own._replace(state=worst([OK, *(row.state for row in rows if row.row in ids and row.host == own.name)]))


def _cluster_versions(generation: Generation, api: Mapping) -> dict[str, str]:
    images = [
        str(image)
        for document in api.get("documents") or []
        for item in document["items"]
        if generations.of_pods(dict(item["template_labels"])) is generation
        for image in item.get("images") or []
        if "@" not in str(image)
    ]
    tags = sorted({image.rpartition(":")[2] for image in images if _NUMBER.match(image.rpartition(":")[2])})
    found = {KUBERNETES: api.get("version") or "", ISTIO: ", ".join(tags)}
    return {name: clean(value) for name, value in found.items() if value}


def _vip_state(directors: Results, rows: t.Sequence[Row]) -> str:
    """Held by one director that was reached, and by no other."""
    if not directors:
        return UNCHECKED
    held = any(result.get("places") for result in directors.values())
    return worst([OK if held else FAILED, *(row.state for row in rows if row.row == rows_pair.ROW)])


def _service(entry: Mapping, generation: Generation, rows: t.Sequence[Row]) -> Service:
    """Its row has an identifier of the procedure's, or its own name."""
    name = entry["name"]
    ids = {text.id for text in generation.rows if text.check == EXPOSURE and text.service == name} or {name}
    ports = [f"{port['port']}{'/udp' if port['protocol'] == 'UDP' else ''}" for port in entry["ports"]]
    return Service(clean(name), ", ".join(ports), worst(row.state for row in rows if row.row in ids))
