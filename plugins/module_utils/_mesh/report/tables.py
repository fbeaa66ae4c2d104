# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a report: rows, what ends when, versions. Pure. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from ..checks.model import UNCHECKED, Row
from . import model
from .model import Ending, Host, Report
from .svg import CLASSES, SIGNS, escape

_KINDS = {
    "root": "root certificate",
    "issuer": "signing certificate",
    "certificate": "certificate",
    "token": "token for the first certificate",
}
_SHOWN = 3
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def state(value: str) -> str:
    return f'<span class="state {CLASSES[value]}" title="{escape(value)}">{SIGNS[value]}</span>'


def rows(report: Report) -> str:
    """By host: the cluster, directors, VMs, and what is about several of them."""
    names = [report.cluster.name, *(host.name for host in report.hosts)]
    groups: dict[str, list[Row]] = {name: [] for name in names}
    for row in sorted(report.rows, key=_place):
        groups.setdefault(row.host, []).append(row)
    return "".join(
        f"<h3>{escape(host)}</h3><table><tbody>{''.join(map(_row, found))}</tbody></table>"
        for host, found in groups.items()
        if found
    )


def _place(row: Row) -> tuple[str, int]:
    """As people count: R2 before R10."""
    number = "".join(character for character in row.row if character.isdigit())
    return row.row.rstrip("0123456789"), int(number or 0)


def _row(row: Row) -> str:
    return (
        f'<tr class="{CLASSES[row.state]}"><td class="row">{state(row.state)} {escape(row.row)}</td>'
        f'<td class="what">{escape(row.what)}</td><td class="detail">{escape(row.detail)}</td></tr>'
    )


def endings(report: Report) -> str:
    if not report.endings:
        return '<p class="soft">No certificate was seen.</p>'
    lines = "".join(_ending(item, report.moment) for item in report.endings)
    head = "<thead><tr><th>what</th><th>name</th><th>on</th><th>ends</th></tr></thead>"
    return f"<table>{head}<tbody>{lines}</tbody></table>"


def _ending(item: Ending, now: datetime.datetime) -> str:
    gone = (now - item.start) / (item.end - item.start) if item.end > item.start else 0.0
    share = round(100 * min(1.0, max(0.0, gone)))
    life = (
        f'<span class="life {CLASSES[item.state]}" title="{share} % of its life are over">'
        f'<i style="width:{share}%"></i></span>'
        if item.end > item.start
        else ""
    )
    more = f" and {len(item.hosts) - _SHOWN} more" if len(item.hosts) > _SHOWN else ""
    hosts = ", ".join(item.hosts[:_SHOWN]) + more
    note = ", not used" if item.state == UNCHECKED and item.end > now else ""
    return (
        f'<tr class="{CLASSES[item.state]}"><td class="what">{state(item.state)} {_KINDS[item.kind]}{note}</td>'
        f'<td data-is="name">{escape(item.name)}</td><td data-is="on">{escape(hosts)}</td>'
        f'<td data-is="ends">{life}{left(item.end, now)}, {item.end:%Y-%m-%d %H:%M}</td></tr>'
    )


def left(end: datetime.datetime, now: datetime.datetime) -> str:
    seconds = (end - now).total_seconds()
    for size, name in _UNITS:
        number = int(abs(seconds) // size)
        if number:
            span = f"{number} {name}{'s' if number > 1 else ''}"
            break
    else:
        span = "a moment"
    return f"in {span}" if seconds > 0 else f"{span} ago"


def versions(report: Report) -> str:
    every = [report.cluster, *report.hosts]
    columns = list(dict.fromkeys(name for host in every for name in host.versions))
    if not columns:
        return '<p class="soft">No version could be read.</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in ("host", *columns))
    lines = "".join(_versions(host, columns) for host in every)
    return f'<table class="versions"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _versions(host: Host, columns: t.Sequence[str]) -> str:
    cells = "".join(
        f'<td data-is="{escape(name)}">{escape(host.versions.get(name, ""))}</td>'
        if host.versions.get(name)
        else "<td></td>"
        for name in columns
    )
    note = f' <span class="soft">{escape(host.note)}</span>' if host.reached is not True else ""
    role = "" if host.role == model.CLUSTER else f' <span class="soft">{_role(host)}</span>'
    return f"<tr><td>{escape(host.name)}{role}{note}</td>{cells}</tr>"


def _role(host: Host) -> str:
    return "VM" if host.role == model.VM else host.role
