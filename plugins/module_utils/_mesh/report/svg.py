# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few shapes that a picture of a site is made of. Pure. Private to the collection."""

from __future__ import annotations

import html
import typing as t

from ..checks.model import FAILED, OK, UNCHECKED, WARNING
from .model import OUT

# The class of what has a state, and the sign that says it without colours.
CLASSES = {OK: "ok", WARNING: "warning", FAILED: "failed", UNCHECKED: "unchecked", OUT: "out"}
SIGNS = {OK: "✓", WARNING: "!", FAILED: "✕", UNCHECKED: "?", OUT: "–"}
# Room for a character of a name, and of a small text, in a wide fount.
_NAME, _SMALL = 8.8, 7.6
_HEAD = 7

Point = t.Tuple[float, float]


def escape(value: object) -> str:
    return html.escape(str(value), quote=True)


def cut(value: str, width: float, character: float = _SMALL) -> str:
    """As much as has room, with the end of a name, which tells hosts apart, kept."""
    room = max(4, int(width / character))
    if len(value) <= room:
        return value
    end = room // 3
    return f"{value[: room - end - 1]}…{value[-end:]}"


def text(x: float, y: float, value: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{style}" text-anchor="{anchor}">{escape(value)}</text>'


def sign(x: float, y: float, state: str) -> str:
    """A disc with the state's sign."""
    return (
        f'<g class="sign {CLASSES[state]}"><circle cx="{x:g}" cy="{y:g}" r="8"/>'
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle">{SIGNS[state]}</text></g>'
    )


def box(x: float, y: float, width: float, height: float, lines: t.Sequence[str], state: str, tip: str) -> str:
    """A box with a name, a second line in small, and its state at the right."""
    inner = width - 44
    shown = [
        text(x + 12, y + height / 2 + (4 if len(lines) == 1 else -3), cut(lines[0], inner, _NAME), "name"),
        *(text(x + 12, y + height / 2 + 14, cut(line, inner), "small") for line in lines[1:2]),
    ]
    return (
        f'<g class="box {CLASSES[state]}"><title>{escape(tip)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>{"".join(shown)}'
        f"{sign(x + width - 18, y + height / 2, state)}</g>"
    )


def frame(x: float, y: float, width: float, height: float, state: str, tip: str) -> str:
    """A box that others are in."""
    return (
        f'<g class="frame {CLASSES[state]}"><title>{escape(tip)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/></g>'
    )


def curve(start: Point, end: Point, state: str, tip: str, standby: bool = False) -> str:
    """From left to right, with its head at the end and, unless all is well, its sign in the middle."""
    (x1, y1), (x2, y2) = start, (end[0] - _HEAD, end[1])
    bend = (x2 - x1) / 2
    path = f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    return _line(path, end, 1, ((x1 + x2) / 2, (y1 + y2) / 2), state, tip, standby)


def straight(points: t.Sequence[Point], state: str, tip: str, standby: bool = False) -> str:
    """Through these points, the last part level; its sign is on that."""
    (x1, y1), (x2, y2) = points[-2:]
    direction = 1 if x2 > x1 else -1
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in (*points[:-1], (x2 - direction * _HEAD, y2)))
    return _line(path, (x2, y2), direction, ((x1 + x2) / 2 - direction * 3, y1), state, tip, standby)


def trunk(points: t.Sequence[Point]) -> str:
    """What branches have in common; it has no state."""
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="trunk" d="{path}"/>'


def _line(path: str, end: Point, direction: int, middle: Point, state: str, tip: str, standby: bool) -> str:
    x, y = end
    head = f"M{x:g} {y:g}l{-direction * _HEAD} -4v8z"
    style = f"edge {CLASSES[state]}{' standby' if standby else ''}"
    mark = sign(*middle, state) if state != OK else ""
    return (
        f'<g class="{style}"><title>{escape(tip)}</title><path class="line" d="{path}"/><path class="head" d="{head}"/>'
        f"{mark}</g>"
    )


def drawing(style: str, width: float, height: float, summary: str, shapes: t.Iterable[str]) -> str:
    return (
        f'<svg class="{style}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(summary)}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(shapes)}</svg>'
    )
