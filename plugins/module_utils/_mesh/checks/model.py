# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check says, and the row that people read of it. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

OK, WARNING, FAILED, UNCHECKED = "ok", "warning", "FAILED", "not checked"
# What rows have as their host that are about none.
CLUSTER_HOST, DIRECTORS_HOST = "cluster", "directors"


class Finding(t.NamedTuple):
    """What one check found; without problems it holds."""

    problems: t.Sequence[str]
    # What there is to say when it holds.
    good: str = ""
    # Why it could not be checked, where that is no fault.
    unchecked: str = ""
    # What holds today, and will not for long.
    warnings: t.Sequence[str] = ()

    def as_dict(self) -> dict[str, t.Any]:
        return {"problems": list(self.problems), "good": self.good, "unchecked": self.unchecked}


class Row(t.NamedTuple):
    """One judged row of the procedure on one host."""

    row: str
    what: str
    check: str
    state: str
    ok: bool
    detail: str
    host: str


def finding(said: t.Mapping[str, t.Any]) -> Finding:
    """From what a module returned."""
    return Finding(said["problems"], said["good"], said["unchecked"])


def differences(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> list[str]:
    """The fields of two objects that differ, each as a short text: what it is, and what it should be."""
    is_now, should = _flat(before), _flat(after)
    return [
        f"{path} is {is_now.get(path, 'missing')}, should be {should.get(path, 'absent')}"
        for path in dict.fromkeys([*should, *is_now])
        if is_now.get(path) != should.get(path)
    ]


def _flat(value: t.Any, path: str = "") -> dict[str, t.Any]:
    """Leaves by their path; a list is a leaf: its items belong together."""
    if not isinstance(value, t.Mapping) or not value:
        return {path: value}
    found: dict[str, t.Any] = {}
    for key, item in value.items():
        found.update(_flat(item, f"{path}.{key}" if path else str(key)))
    return found
