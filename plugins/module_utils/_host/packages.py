# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of the host. Private to the collection."""

from __future__ import annotations

from .commands import must

INSTALLED = "installed"
_FORMAT = "${db:Status-Status} ${Package} ${Version}\\n"


def installed() -> dict[str, str]:
    """Name and version of each installed package."""
    return parse(must(["dpkg-query", "-W", "-f", _FORMAT]))


def parse(text: str) -> dict[str, str]:
    return {words[1]: words[2] for words in _rows(text) if len(words) == 3 and words[0] == INSTALLED}


def states() -> dict[str, str]:
    """Name and state of each package of which something is there: C(installed), C(config-files) and others."""
    return parse_states(must(["dpkg-query", "-W", "-f", _FORMAT]))


def parse_states(text: str) -> dict[str, str]:
    return {words[1]: words[0] for words in _rows(text) if len(words) > 1 and words[0] != "not-installed"}


def gone_with(names: list[str]) -> list[str]:
    """What a purge of these takes along, with all that nothing needs any more."""
    return parse_removal(must(["apt-get", "--dry-run", "--auto-remove", "purge", "--", *names])) if names else []


def parse_removal(text: str) -> list[str]:
    return [words[1] for words in _rows(text) if len(words) > 1 and words[0] in ("Remv", "Purg")]


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]
