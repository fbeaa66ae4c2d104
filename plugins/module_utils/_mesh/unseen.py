# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of which nothing is known: why, and what to do. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

Look = t.Mapping[str, t.Any]
"""The result of a module; empty for a host that did not get there."""


def unreachable(look: Look) -> bool:
    return bool(look.get("unreachable"))


def told(look: Look, otherwise: str = "") -> str:
    """What the module has said, on one line."""
    return " ".join(str(look.get("msg") or otherwise).split())


def unseen(name: str, look: Look) -> str:
    reason = told(look, "no reason given")
    if unreachable(look) or not look:
        return (
            f"{name}: it cannot be reached ({reason}). Check ansible_host, the SSH key and the user, or "
            "take it out of the inventory."
        )
    return (
        f"{name}: it could not be looked at ({reason}). "
        "The user must become root there (ansible_become), with Python 3.9 or later in ansible_python_interpreter."
    )
