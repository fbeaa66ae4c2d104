# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a site in few words: one entry for each reason. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..checks.model import FAILED, UNCHECKED, WARNING, Row
from . import model
from .model import Report, hosts_of

# In what a row says of how it was judged: what the role would still change is a fault.
_PLAN = "the plan of"


class Trouble(t.NamedTuple):
    host: str
    rows: t.Sequence[str]
    what: str
    detail: str
    state: str


def troubles(report: Report) -> list[Trouble]:
    """Hosts out of reach first: the rest may follow from that. Then what fails, then what will."""
    lost = {host.name for host in (report.cluster, *report.hosts) if host.reached is False}
    grouped: dict[tuple[str, str, str], list[Row]] = {}
    for row in report.rows:
        if row.state in (FAILED, WARNING):
            grouped.setdefault((row.host, row.state, row.detail), []).append(row)
    found = [
        Trouble(host, list(dict.fromkeys(row.row for row in rows)), _what(rows), detail, state)
        for (host, state, detail), rows in grouped.items()
    ]
    told = {trouble.host for trouble in found}
    found += [
        Trouble(host.name, [], host.role, f"{host.name} was not reached: {host.reason}", FAILED)
        for host in report.hosts
        if host.name in lost - told
    ]
    found += [
        Trouble(host.name, [], "versions", f"its sidecar is {host.note}", WARNING)
        for host in report.hosts
        if host.state == WARNING and host.note
    ]
    return sorted(found, key=lambda trouble: (trouble.host not in lost, trouble.state == WARNING))


def _what(rows: t.Sequence[Row]) -> str:
    kinds = list(dict.fromkeys(row.what for row in rows))
    return kinds[0] if len(kinds) == 1 else f"{len(rows)} checks"


def headline(report: Report) -> tuple[str, str]:
    """One sentence, and the state that it has."""
    rows = report.rows
    failed, warned = (sum(row.state == state for row in rows) for state in (FAILED, WARNING))
    made = sum(row.state != UNCHECKED for row in rows)
    lost = [host.name for host in (report.cluster, *report.hosts) if host.reached is False]
    said = [_not_reached(lost)] if lost else []
    if failed:
        return "; ".join([*said, f"{failed} of {len(rows)} checks fail{'s' if failed == 1 else ''}"]), FAILED
    holds = f"all {made} checks hold"
    if lost:
        return "; ".join([*said, holds]), FAILED
    if warned or any(host.state == WARNING for host in report.hosts):
        return f"All {made} checks hold, {warned} not for long" if warned else f"All {made} checks hold", WARNING
    return holds.capitalize(), model.OK


def _not_reached(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'was' if len(names) == 1 else 'were'} not reached"


def drift(report: Report) -> str:
    """What a run would change, as far as the rows tell."""
    lost = {host.name for host in (report.cluster, *report.hosts) if host.reached is not True}
    planned = [row for row in report.rows if _PLAN in row.check and not lost & set(hosts_of(row))]
    differs = list(dict.fromkeys(f"{row.row} on {row.host}" for row in planned if row.state == FAILED))
    said = [
        f"Not as the inventory says: {', '.join(differs)}."
        if differs
        else f"None in the {len(planned)} checks that compare with the inventory."
    ]
    if lost:
        said.append(f"Nothing is known of {', '.join(sorted(lost))}.")
    return " ".join(said)


def next_step(report: Report) -> str:
    """The command to go on with; empty when there is nothing to do."""
    lost = [host.name for host in report.hosts if host.reached is False]
    if lost:
        return f"ansible {','.join(lost)} -m ansible.builtin.ping"
    known = {host.name for host in report.hosts}
    failed = [name for row in report.rows if row.state == FAILED for name in hosts_of(row)]
    if not failed:
        return ""
    limit = ",".join(dict.fromkeys(name for name in failed if name in known))
    return f"ansible-playbook mesh.expansion.site --check --diff{f' -l {limit}' if limit else ''}"
