# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's plan says of a host, in the words of verification. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import paths
from ..._host.change import Operation, Put
from ..._host.systemd import UnitState

# How many lines of a file are named; the rest is counted.
_LINES = 4


def wrong(
    operations: t.Sequence[Operation], seen: t.Mapping[str, paths.PathState], secret: t.Sequence[str] = ()
) -> dict[str, list[str]]:
    """By path, in what it is not what it should be."""
    return {item.path: _differs(item, seen, secret) for item in operations if isinstance(item, Put)}


def complete(operations: t.Sequence[Operation], own: list[str], others: t.Sequence[str]) -> list[str]:
    """A plan that is not empty is a fault, also one that no sentence here accounts for."""
    if own or others or not operations:
        return own
    return [f"the next run would: {'; '.join(str(operation) for operation in operations)}"]


def _differs(put: Put, seen: t.Mapping[str, paths.PathState], secret: t.Sequence[str] = ()) -> list[str]:
    """In what a path is not what it should be. Values of the keys in C(secret) are not shown."""
    now, wanted = seen.get(put.path, paths.NOTHING), put.wanted
    if now.kind != wanted.kind:
        return [f"{put.path} is {_kind(now)}, should be {_kind(wanted)}"]
    problems = []
    if now.content != wanted.content:
        has, should = _lines(now, secret), _lines(wanted, secret)
        texts = [f"lacks {line}" for line in should if line not in has]
        texts += [f"has {line}" for line in has if line not in should]
        more = [f"and {len(texts) - _LINES} more"] if len(texts) > _LINES else []
        problems.append(f"{put.path} {', '.join([*texts[:_LINES], *more]) or 'has other lines'}")
    if (now.owner, now.group, now.mode) != (wanted.owner, wanted.group, wanted.mode):
        problems.append(
            f"{put.path} belongs to {now.owner}:{now.group} with mode {now.mode}, "
            f"should be {wanted.owner}:{wanted.group} with {wanted.mode}"
        )
    return problems or [f"would {put}"]


def _kind(state: paths.PathState) -> str:
    return "missing" if state.kind == paths.ABSENT else f"a {state.kind}"


def _lines(state: paths.PathState, secret: t.Sequence[str]) -> list[str]:
    lines = (state.content or b"").decode("utf-8", "replace").splitlines()
    shown = (line for line in lines if line.strip() and not line.startswith("#"))
    return [f"{line.split('=')[0]}=…" if line.split("=")[0] in secret else line for line in shown]


def unit_problems(name: str, unit: UnitState) -> list[str]:
    if unit.active and unit.enabled:
        return []
    return [f"{name} is {unit.state}/{unit.file_state or 'not enabled'}, should be active/enabled"]
