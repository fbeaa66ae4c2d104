# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd: what they are, and what is to become of them. Private to the collection."""

from __future__ import annotations

import datetime
import typing as t

from .commands import must, run

_PROPERTIES = ("Id", "LoadState", "ActiveState", "UnitFileState", "InactiveExitTimestamp")


class UnitState(t.NamedTuple):
    """A unit that systemd does not know is neither loaded, active nor enabled."""

    loaded: bool = False
    active: bool = False
    enabled: bool = False
    state: str = "missing"
    file_state: str = ""
    # When its start began, in seconds since the epoch; 0 for a unit that is not active. Not when it became active: that
    # is after it read its files, and a file's time, which comes from the kernel's coarser clock, can look older.
    since: float = 0.0

    def as_dict(self) -> dict[str, t.Any]:
        return {"active": self.active, "enabled": self.enabled}


def look(names: t.Sequence[str]) -> dict[str, UnitState]:
    """All of them by one call."""
    if not names:
        return {}
    argv = ["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(_PROPERTIES)}", "--", *names]
    return parse(must(argv), names)


def parse(text: str, names: t.Sequence[str]) -> dict[str, UnitState]:
    """One block for each unit that was asked for, in that order; an alias answers by its unit's own name."""
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in text.strip().split("\n\n")
    ]
    return {name: _state(block) for name, block in zip(names, blocks)}


def _state(block: t.Mapping[str, str]) -> UnitState:
    active = block.get("ActiveState") == "active"
    return UnitState(
        loaded=block.get("LoadState") == "loaded",
        active=active,
        enabled=block.get("UnitFileState") == "enabled",
        state=block.get("ActiveState", ""),
        file_state=block.get("UnitFileState", ""),
        since=_seconds(block.get("InactiveExitTimestamp", "")) if active else 0.0,
    )


def _seconds(stamp: str) -> float:
    """Of a stamp such as C(Fri 2026-11-27 17:19:57.123456 UTC)."""
    words = stamp.split()
    if len(words) < 3:
        return 0.0
    text = f"{words[1]} {words[2]}"
    form = "%Y-%m-%d %H:%M:%S.%f" if "." in words[2] else "%Y-%m-%d %H:%M:%S"
    return datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc).timestamp()


def daemon_reload() -> None:
    must(["systemctl", "daemon-reload"])


def enable(name: str, wanted: bool = True) -> None:
    must(["systemctl", "--quiet", "enable" if wanted else "disable", "--", name], seconds=120)


def act(action: str, name: str) -> None:
    """start, stop, restart, reload; clean: a unit that is stopped loses its cache and its runtime directory."""
    must(["systemctl", action, "--", name], seconds=120)


def journal(name: str, lines: int = 20) -> str:
    """The end of a unit's journal, for a message."""
    return run(["journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"--unit={name}"]).stdout.strip()
