# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of the host. Private to the collection."""

from __future__ import annotations

from .commands import must

_FORMAT = "${db:Status-Status} ${Package} ${Version}\\n"


def installed() -> dict[str, str]:
    """Name and version of each installed package."""
    return parse(must(["dpkg-query", "-W", "-f", _FORMAT]))


def parse(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "installed":
            found[words[1]] = words[2]
    return found
