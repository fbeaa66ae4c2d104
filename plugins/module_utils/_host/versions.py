# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of Debian packages, compared as dpkg does. Pure. Private to the collection."""

from __future__ import annotations

import itertools
import re


def compare(one: str, other: str) -> int:
    """Less than 0 when one is older than the other, 0 when they are the same to dpkg, more than 0 when it is newer."""
    for mine, theirs in zip(_parts(one), _parts(other)):
        result = _compare_part(mine, theirs)
        if result:
            return result
    return 0


def _parts(version: str) -> tuple[str, str, str]:
    """Epoch, upstream version, revision; what is missing counts as nothing."""
    epoch, colon, rest = version.strip().partition(":")
    if not colon:
        epoch, rest = "0", epoch
    upstream, _dash, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
    return epoch, upstream, revision


def _compare_part(one: str, other: str) -> int:
    """Text and numbers in turn: text by dpkg's order of characters, numbers by value."""
    pairs = itertools.zip_longest(_turns(one), _turns(other), fillvalue=("", 0))
    for (text, number), (other_text, other_number) in pairs:
        weights, other_weights = _weights(text), _weights(other_text)
        if weights != other_weights:
            return -1 if weights < other_weights else 1
        if number != other_number:
            return -1 if number < other_number else 1
    return 0


def _turns(part: str) -> list[tuple[str, int]]:
    return [(text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", part) if text or digits]


def _weights(text: str) -> list[int]:
    """A tilde sorts before the end, the end before letters, letters before the rest."""
    return [-1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in text] + [0]
