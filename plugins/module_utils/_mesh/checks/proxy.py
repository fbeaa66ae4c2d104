# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM's Envoy stands, in numbers. Changes nothing. Private to the collection."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from urllib.error import URLError

from ..sidecar import admin, envoy
from ..sidecar import look as sidecar

_SECONDS = 5.0
_STATS = "/stats?filter=(update_(success|rejected)|connected_state)$"
_UPDATE = re.compile(r"^(\S+)\.update_(success|rejected): (\d+)$", re.MULTILINE)
_CONNECTED = re.compile(r"^control_plane\.connected_state: (\d+)$", re.MULTILINE)
# What an update is of; those of endpoints are counted by cluster.
_KIND = re.compile(r"(?:^|\.)(cds|lds|rds|sds)(?:\.|$)")

Read = t.Callable[[str], str]


def look(read: Read | None = None) -> dict[str, t.Any]:
    """All zero, and no state, where Envoy does not answer."""
    ask = read or admin.reader(sidecar.ADMIN, _SECONDS)
    try:
        return report(ask("/server_info"), ask(_STATS), ask("/clusters?format=json"))
    except (URLError, OSError, envoy.EnvoyError):
        return {"state": "", "connected": None, "updates": [], "clusters": 0, "endpoints": 0, "healthy": 0}


def report(server: str, stats: str, clusters: str) -> dict[str, t.Any]:
    hosts = envoy.endpoints(envoy.parse_json(clusters, "clusters"))
    every = [host for found in hosts.values() for host in found]
    return {
        "state": envoy.server(server)["state"],
        "connected": connected(stats),
        "updates": updates(stats),
        "clusters": len(hosts),
        "endpoints": len(every),
        "healthy": sum(host["healthy"] for host in every),
    }


def connected(stats: str) -> bool | None:
    """Whether it is connected to what configures it; None where it does not count that, as with istiod's settings."""
    found = _CONNECTED.search(stats)
    return found.group(1) == "1" if found else None


def updates(stats: str) -> list[tuple[str, str, int]]:
    """Kind, result and how often."""
    found: Counter[tuple[str, str]] = Counter()
    for name, result, number in _UPDATE.findall(stats):
        kind = _KIND.search(name)
        found[kind.group(1) if kind else "eds", result] += int(number)
    return [(kind, result, number) for (kind, result), number in sorted(found.items())]
