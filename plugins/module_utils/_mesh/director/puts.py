# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that are not yet what they should be, as operations. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import paths
from ..._host.change import Operation, Put
from .model import Seen


def file(seen: Seen, path: str, text: str, validate: t.Sequence[str] = ()) -> t.Iterator[Operation]:
    wanted = paths.text_file(text)
    found = seen.file(path)
    if (found.kind, found.mode, found.content) != (wanted.kind, wanted.mode, wanted.content):
        yield Put(path, wanted, validate)


def directory(seen: Seen, path: str) -> t.Iterator[Operation]:
    found = seen.file(path)
    if (found.kind, found.mode) != (paths.DIRECTORY, "0755"):
        yield Put(path, paths.directory("0755"))


def gone(seen: Seen, path: str) -> t.Iterator[Operation]:
    if seen.file(path).kind != paths.ABSENT:
        yield Put(path, paths.NOTHING)
