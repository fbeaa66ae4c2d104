# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Memory that the forked workers of one run share, so that an identity is read from the cluster once.

Made when the action plugin is imported, which happens in Ansible's main process before any worker is forked. It is anonymous
memory: nothing of it is ever in a file, a result or a variable. Who cannot use it reads the Secret again, nothing else changes.
"""

from __future__ import annotations

import base64
import json
import mmap
import multiprocessing
import struct
import typing as t

_LENGTH = struct.Struct("!I")
SIZE = 1 << 20
# A worker that was killed while it held the lock must not hold up the others for ever.
LOCK_TIMEOUT = 60


class SharedStore:
    """A small dictionary of byte strings in shared anonymous memory."""

    def __init__(self, size: int = SIZE) -> None:
        self._memory = mmap.mmap(-1, size)
        self._lock = multiprocessing.get_context("fork").Lock()

    def _load(self) -> dict[str, list[str]]:
        (length,) = _LENGTH.unpack(self._memory[: _LENGTH.size])
        return json.loads(self._memory[_LENGTH.size : _LENGTH.size + length]) if length else {}

    def _save(self, items: dict[str, list[str]]) -> None:
        data = json.dumps(items).encode()
        if _LENGTH.size + len(data) > len(self._memory):
            return  # full: the others read for themselves
        self._memory[_LENGTH.size : _LENGTH.size + len(data)] = data
        self._memory[: _LENGTH.size] = _LENGTH.pack(len(data))

    def get(self, key: str, read: t.Callable[[], tuple[bytes, ...]]) -> tuple[tuple[bytes, ...], bool]:
        """The value of a key, and whether this call had to read it."""
        if not self._lock.acquire(timeout=LOCK_TIMEOUT):
            return read(), True
        try:
            items = self._load()
            if key in items:
                return tuple(base64.b64decode(part) for part in items[key]), False
            value = read()
            self._save({**items, key: [base64.b64encode(part).decode() for part in value]})
            return value, True
        finally:
            self._lock.release()
