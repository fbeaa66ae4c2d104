# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are there when a sidecar begins to capture everything. Private to the collection.

A host without rules does not track its connections. To the first rules of a packet filter the next packet of one, such
as the one that this runs over, is the first of a new connection to somewhere; it is captured, and the connection dies.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import typing as t

from ..._host import commands
from . import chains

# A rule that asks for a connection's state makes the kernel track connections; nothing leads to it.
RULES = f"*filter\n:{chains.TRACKING} - [0:0]\n-A {chains.TRACKING} -m conntrack --ctstate INVALID -j RETURN\nCOMMIT\n"
SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Track:
    """Make the kernel know the connections that there are."""

    programs: t.Sequence[str]

    def __str__(self) -> str:
        return "track the connections that there are"

    def run(self) -> None:
        *others, last = (chains.restore(program) for program in self.programs)
        if not any(commands.run(argv, RULES).rc == 0 for argv in others):
            commands.must(last, RULES)
        # What is known from now on is what has a packet. An empty line before a module's result means nothing.
        sys.stdout.write("\n")
        sys.stdout.flush()
        time.sleep(SECONDS)


@dataclasses.dataclass(frozen=True)
class Untrack:
    """The sidecar's own rules keep the kernel at it."""

    programs: t.Sequence[str]

    def __str__(self) -> str:
        return "leave that to the sidecar's rules"

    def run(self) -> None:
        for program in self.programs:
            commands.must(chains.untrack(program))
