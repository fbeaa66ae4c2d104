# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one file of HTML that needs no other, and runs no script. Pure. Private to the collection.

All that comes from elsewhere goes through C(escape), here and in what is put together here.
"""

from __future__ import annotations

import datetime

from ..checks.model import FAILED, OK, UNCHECKED, WARNING
from . import changes, model, picture, picture_tall, tables, troubles
from .changes import Change, Changes
from .model import Report, clean
from .style import STYLE
from .svg import CLASSES, escape
from .troubles import Trouble

# Should something slip through all the same, a browser loads and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LEGEND = (
    (OK, "holds"),
    (WARNING, "not for long"),
    (FAILED, "does not hold"),
    (UNCHECKED, "not known"),
    (model.OUT, "out of service"),
)
_LONG = 240
_MARKS = {changes.WORSE: FAILED, changes.BETTER: OK, changes.OTHER: model.OUT}


def page(report: Report, changed: Changes) -> str:
    title, state = troubles.headline(report)
    found = troubles.troubles(report)
    step = troubles.next_step(report)
    body = [
        f'<header><h1 class="{CLASSES[state]}">{escape(title)}</h1>{_about(report)}</header>',
        f"<section>{''.join(map(_trouble, found))}{_next(step)}</section>" if found else "",
        f"<section><h2>The site</h2>{_picture(report)}</section>",
        f"<section><h2>What changed</h2>{_changes(changed)}</section>",
        f"<section><h2>Drift</h2><p>{escape(troubles.drift(report))}</p></section>",
        f"<section><h2>What ends when</h2>{tables.endings(report)}</section>",
        f"<section><h2>Versions</h2>{tables.versions(report)}</section>",
        f"<section><h2>All checks</h2>{tables.rows(report)}</section>",
        f"<footer>mesh.expansion, {_moment(report.moment)}. Times are UTC.</footer>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · {escape(report.vip)}</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(part for part in body if part)
        + "\n</main></body></html>\n"
    )


def _about(report: Report) -> str:
    said = [f"Virtual address {report.vip}", f"{report.control_plane} ({report.releases})", _moment(report.moment)]
    looked = sum(host.reached is not None for host in report.hosts)
    if looked < len(report.hosts):
        said.append(f"{looked} of {len(report.hosts)} hosts looked at")
    unchecked = sum(row.state == UNCHECKED for row in report.rows)
    if unchecked:
        said.append(f"{unchecked} check{'s' if unchecked > 1 else ''} not made")
    return f'<p class="soft">{escape(" · ".join(said))}</p>'


def _moment(moment: datetime.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _trouble(item: Trouble) -> str:
    rows = f"{item.rows[0]} to {item.rows[-1]}" if len(item.rows) > 3 else ", ".join(item.rows)
    which = ", ".join(part for part in (rows, item.what) if part)
    return (
        f'<div class="trouble {CLASSES[item.state]}"><b>{escape(item.host)}</b>'
        f'<span class="which">{escape(which)}</span><p>{escape(_short(item.detail))}</p></div>'
    )


def _short(detail: str) -> str:
    """The whole of it is in the row."""
    return detail if len(detail) <= _LONG else f"{detail[:_LONG].rpartition(' ')[0] or detail[:_LONG]} …"


def _next(step: str) -> str:
    return f'<p class="next soft">Next: <code>{escape(step)}</code></p>' if step else ""


def _picture(report: Report) -> str:
    legend = "".join(f"<li>{tables.state(state)} {text}</li>" for state, text in _LEGEND)
    return (
        f'<div class="picture">{picture.wide(report)}{picture_tall.tall(report)}</div><ul class="legend">{legend}</ul>'
    )


def _changes(changed: Changes) -> str:
    if not changed.since:
        return '<p class="soft">There is no earlier report to compare with.</p>'
    if not changed.items:
        return f'<p class="soft">Nothing since {_when(changed.since)}.</p>'
    lines = "".join(map(_change, changed.items))
    quiet = f"Nothing since {_when(changed.quiet)}. " if changed.quiet else ""
    between = f"Between {_when(changed.since)} and {_when(changed.seen)}:"
    return f'<p class="soft">{quiet}{between}</p><ul class="plain">{lines}</ul>'


def _change(item: Change) -> str:
    return f"<li>{tables.state(_MARKS[item.kind])} {escape(clean(item.text))}</li>"


def _when(text: str) -> str:
    return escape(text.replace("T", " ").replace("Z", "")[:16])
