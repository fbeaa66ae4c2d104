# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of the benchmark `onboarding`: executions by host and role, growth, the table at the end. Pure."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCRIPT, SCRIPT_PARALLEL = "script, VM after VM", "script, 8 VMs at a time"
FIRST, SECOND, VERIFY = "site.yml, new VMs", "site.yml, nothing to do", "verify.yml"
OURS = (FIRST, SECOND, VERIFY)
BEFORE_THE_FIRST_TASK = "start"
Executions = dict[str, dict[str, int]]
"""Group of hosts -> role -> module executions on the host of the group that had most; `all` is the most of any host."""


@dataclass(frozen=True)
class Measured:
    """One run."""

    case: str
    vms: int
    wall: float
    cpu: float
    """Seconds of processor that the control node spent."""
    executions: Executions = field(default_factory=dict)


def by_role(times: Sequence[float], timeline: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Executions on one host by the role whose task began last before each."""
    begun = [entry["time"] for entry in timeline]
    found: Counter[str] = Counter()
    for time in times:
        position = bisect.bisect_right(begun, time) - 1
        found[timeline[position]["role"] if position >= 0 else BEFORE_THE_FIRST_TASK] += 1
    return found


def by_group(counts: Mapping[str, Counter[str]], groups: Mapping[str, Sequence[str]]) -> Executions:
    """The most that any host of a group had, by role and in all."""
    result: Executions = {}
    for group, hosts in groups.items():
        members = [counts.get(host, Counter()) for host in hosts]
        roles = sorted({role for member in members for role in member})
        most = {role: max(member[role] for member in members) for role in roles}
        result[group] = {**most, "all": max((member.total() for member in members), default=0)}
    return result


def slope(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Least squares: seconds for each further VM, and seconds that do not depend on their number."""
    count = len(points)
    mean_x, mean_y = (sum(point[axis] for point in points) / count for axis in (0, 1))
    spread = sum((x - mean_x) ** 2 for x, _y in points)
    if not spread:
        raise ValueError(f"a slope needs two different numbers of VMs, not {sorted({x for x, _y in points})}")
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return rise, mean_y - rise * mean_x


def rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """For build/bench.json: each of our cases against each way of the script, and the growth."""
    most = max(one.vms for one in measured)
    largest = {one.case: one for one in measured if one.vms == most}
    found: list[dict[str, Any]] = []
    for case in (*OURS, SCRIPT_PARALLEL):
        for peer in (SCRIPT, SCRIPT_PARALLEL):
            if case in largest and peer in largest and case != peer:
                found.append(_row(largest[case], largest[peer]))
    if FIRST in largest and SECOND in largest:
        found.append(_row(largest[SECOND], largest[FIRST]))
    for case, points in growth(measured).items():
        each, fixed = slope(points)
        numbers = ", ".join(str(vms) for vms, _wall in points)
        found.append(
            {
                "case": f"growth over {numbers} VMs: {case}",
                "ours_s": round(each, 3),
                "peer": "seconds that do not depend on the number of VMs",
                "peer_s": round(fixed, 3),
                "ratio": None,
                "executions": {},
                "points": points,
            }
        )
    return found


def _row(ours: Measured, peer: Measured) -> dict[str, Any]:
    return {
        "case": f"{ours.vms} VMs: {ours.case}",
        "ours_s": round(ours.wall, 1),
        "peer": peer.case,
        "peer_s": round(peer.wall, 1),
        "ratio": round(ours.wall / peer.wall, 3),
        "ours_cpu_s": round(ours.cpu, 1),
        "peer_cpu_s": round(peer.cpu, 1),
        "executions": ours.executions,
    }


def growth(measured: Sequence[Measured]) -> dict[str, list[tuple[int, float]]]:
    """Number of VMs and seconds, of our cases that ran with more than one number."""
    found: dict[str, list[tuple[int, float]]] = {}
    for case in OURS:
        points = sorted((one.vms, round(one.wall, 1)) for one in measured if one.case == case)
        if len({vms for vms, _wall in points}) > 1:
            found[case] = points
    return found


def table(measured: Sequence[Measured]) -> str:
    """What somebody wants to know who has waited for it."""
    most = max(one.vms for one in measured)
    largest = [one for one in measured if one.vms == most]
    peer = next((one for one in largest if one.case == SCRIPT), None)
    groups = sorted({group for one in largest for group in one.executions})
    lines = [
        f"Joining {most} VMs: wall time, per VM, against the script; control node's CPU time; modules run on one host",
        f"{'':26}{'wall':>9}{'per VM':>9}{'ratio':>8}{'CPU':>9}" + "".join(f"{group:>14}" for group in groups),
    ]
    for one in largest:
        ratio = f"{one.wall / peer.wall:7.2f}x" if peer else f"{'-':>8}"
        counts = "".join(f"{one.executions.get(group, {}).get('all', '-'):>14}" for group in groups)
        lines.append(f"{one.case:26}{one.wall:7.1f} s{one.wall / most:7.2f} s{ratio}{one.cpu:7.1f} s{counts}")
    for one in largest:
        if one.executions:
            lines += ["", f"Module executions, {one.case}, the most of any host", *_roles(one.executions)]
    lines += [""] + [_growth_line(case, points) for case, points in growth(measured).items()]
    return "\n".join(lines).rstrip()


def _roles(executions: Executions) -> list[str]:
    return [
        f"  {group:13}" + "  ".join(f"{role} {count}" for role, count in sorted(roles.items(), key=_by_count))
        for group, roles in executions.items()
        if roles["all"]
    ]


def _by_count(item: tuple[str, int]) -> tuple[bool, int]:
    return item[0] != "all", -item[1]


def _growth_line(case: str, points: Sequence[tuple[int, float]]) -> str:
    each, fixed = slope(points)
    seen = ", ".join(f"{vms} VMs {wall:.0f} s" for vms, wall in points)
    return f"Growth, {case}: {seen}; each VM adds {each:.2f} s to {fixed:.0f} s"
