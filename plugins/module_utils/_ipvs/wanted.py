# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody wants of the table, as values. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from . import model

PRESENT, DRAINED, ABSENT = "present", "drained", "absent"


class WantedServer(t.NamedTuple):
    server: model.RealServer
    state: str = PRESENT


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a virtual service should be. Real servers that are None are not looked at."""

    service: model.Service
    servers: t.Sequence[WantedServer] | None = None
    state: str = PRESENT


def of_entry(entry: model.Entry) -> Wanted:
    """That a service is, and stays, as it is."""
    return Wanted(entry.service, [WantedServer(server) for server in entry.servers.values()])
