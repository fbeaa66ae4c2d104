# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was looked at to what is not as the inventory says, and what could not be reached. Pure. Private to the
collection."""

from __future__ import annotations

import typing as t

from ..generations.model import CLUSTER, DIRECTOR, VM, Generation
from ..unseen import told, unreachable
from .model import CLUSTER_HOST, FAILED, OK
from .rows_nodes import WHAT

Mapping = t.Mapping[str, t.Any]
Results = t.Mapping[str, Mapping]
"""Results of a task by host; empty for a host that did not get there."""

# What of a VM cannot be judged without the cluster.
_OF_CLUSTER = ("identity", "bootstrap", "lookups")
_PLAYBOOK = "ansible-playbook mesh.expansion."


class Drift(t.NamedTuple):
    """One thing that is not as it should be."""

    where: str
    what: str
    # What was found, and what is wanted.
    detail: str
    next: str


class Audit(t.NamedTuple):
    drift: list[Drift]
    # What nobody could look at, by host, and why.
    unreached: dict[str, str]
    # What is no drift, and worth a word.
    notes: list[str]

    def lines(self) -> list[str]:
        """As people read it: each finding, then the commands that are next."""
        found = [f"DRIFT   {item.where}: {item.what}: {item.detail}" for item in self.drift]
        found += [f"NOT REACHED  {host}: {why}" for host, why in self.unreached.items()]
        found += [f"note    {text}" for text in self.notes]
        found += [f"next    {command}" for command in dict.fromkeys(item.next for item in self.drift)]
        if self.unreached:
            found.append(f"next    {_PLAYBOOK}audit, when all can be reached again")
        return found or ["Everything is as the inventory says."]


class Looks(t.NamedTuple):
    """What the tasks of an audit have registered."""

    cluster: Mapping
    directors: Results
    vms: Results
    nodes: Results
    # Of M(mesh.expansion.istio_sidecar_look), for the package.
    packages: Results
    # Of M(mesh.expansion.istio_network_labels) and M(mesh.expansion.istio_orphans); empty where it was not asked.
    labels: Mapping
    orphans: Mapping


def audit(generation: Generation, rows: t.Sequence[Mapping], looks: Looks) -> Audit:
    """C(rows) are those of verification."""
    unreached = _unreached(looks)
    drift = [
        *_rows(generation, rows, unreached),
        *(item for host, result in looks.nodes.items() if host not in unreached for item in _node(host, result)),
        *(item for host, result in looks.packages.items() if host not in unreached for item in _package(host, result)),
        *_labels(looks.labels, unreached),
        *_registered(looks.orphans, unreached),
    ]
    return Audit(drift, unreached, [*_words(rows), *_others(looks.orphans)])


def _unreached(looks: Looks) -> dict[str, str]:
    found = {}
    for host, result in {**looks.directors, **looks.nodes, **looks.vms}.items():
        if not result or unreachable(result):
            found[host] = told(result) or "its look broke off"
    for result in (looks.cluster, looks.labels, looks.orphans):
        if result.get("reached") is False:
            found.setdefault(CLUSTER_HOST, told(result))
    return found


def _rows(generation: Generation, rows: t.Sequence[Mapping], unreached: t.Container[str]) -> t.Iterator[Drift]:
    texts = {text.id: text for text in generation.rows}
    for row in rows:
        if row["state"] != FAILED:
            continue
        text = texts.get(row["row"])
        scope = text.scope if text else CLUSTER
        of_host = scope in (DIRECTOR, VM)
        if row["host"] in unreached and (of_host or row["host"] == CLUSTER_HOST):
            continue
        if text and text.scope == VM and text.check in _OF_CLUSTER and CLUSTER_HOST in unreached:
            continue
        yield Drift(row["host"], f"{row['row']} {row['what']}", row["detail"], _site(row["host"]))


def _site(host: str) -> str:
    limit = "" if host == CLUSTER_HOST else f" -l {host}"
    return f"{_PLAYBOOK}site --check --diff{limit}"


def _node(host: str, result: Mapping) -> t.Iterator[Drift]:
    if "operations" not in result:
        yield Drift(host, WHAT, f"could not be looked at: {told(result)}", _site(host))
        return
    problems = list(result["refusals"])
    if result["operations"]:
        problems.append(f"the next run would: {'; '.join(result['operations'])}")
    if problems:
        yield Drift(host, WHAT, "; ".join(problems), _site(host))


def _package(host: str, result: Mapping) -> t.Iterator[Drift]:
    what = "the sidecar's package"
    if not result or result.get("skipped"):
        return
    if "package" not in result:
        yield Drift(host, what, f"could not be looked at: {told(result)}", _site(host))
    # Without one there is a row of its own.
    elif result["installed"] and result["package"]["install"]:
        wanted = result["package"]["version"] or f"the one in {result['package']['file']}"
        yield Drift(
            host,
            what,
            f"istio-sidecar is {result['installed']}, should be {wanted}",
            f"{_PLAYBOOK}{'migrate' if result.get('former') else 'upgrade'} -l {host}",
        )


def _labels(result: Mapping, unreached: t.Container[str]) -> t.Iterator[Drift]:
    what = "the label of the pods' network"
    if not result or result.get("skipped") or CLUSTER_HOST in unreached:
        return
    if result.get("msg"):
        yield Drift(CLUSTER_HOST, what, f"could not be looked at: {told(result)}", _site(CLUSTER_HOST))
    elif result.get("operations"):
        yield Drift(CLUSTER_HOST, what, f"the next run would: {'; '.join(result['operations'])}", _site(CLUSTER_HOST))


def _registered(result: Mapping, unreached: t.Container[str]) -> t.Iterator[Drift]:
    if CLUSTER_HOST in unreached:
        return
    if result.get("msg"):
        text = f"could not be looked at: {told(result)}"
        yield Drift(CLUSTER_HOST, "who is registered", text, f"{_PLAYBOOK}preflight")
    for item in result.get("orphans") or ():
        if item["state"] == "silent":
            detail = (
                f"{_where(item)}; no host of the inventory has that address, and it is silent since {item['since']}"
            )
            yield Drift(CLUSTER_HOST, _who(item), detail, f"{_PLAYBOOK}prune --check --diff")
    for item in result.get("surplus") or ():
        detail = f"{_where(item)}; the inventory does not put it there"
        yield Drift(
            CLUSTER_HOST,
            _who(item),
            detail,
            f"{_PLAYBOOK}site --tags registration -e registration_purge=true --check --diff; a Service that no VM has "
            "any more: a task with mesh.expansion.istio_register and state absent",
        )


def _who(item: Mapping) -> str:
    return f"{item['host'] or 'a VM'} ({item['address']}) is registered"


def _where(item: Mapping) -> str:
    services = ", ".join(f"{item['namespace']}/{name}" for name in item["services"])
    return f"behind {services}, in {', '.join(item['objects'])}"


def _others(result: Mapping) -> t.Iterator[str]:
    words = {
        "connected": "it is connected to istiod, so it is somebody's",
        "answers": "it answers, so it is somebody's",
        "not asked": "nobody could ask it whether it is there",
    }
    for item in result.get("orphans") or ():
        if item["state"] in words:
            yield f"{_who(item)} {_where(item)}; no host of the inventory has that address, but {words[item['state']]}"


def _words(rows: t.Sequence[Mapping]) -> t.Iterator[str]:
    for row in rows:
        if row["state"] not in (OK, FAILED):
            yield f"{row['host']}: {row['row']} {row['what']}: {row['state']}: {row['detail']}"
