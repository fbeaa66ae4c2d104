# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which PeerAuthentication counts for a workload. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

Mapping = t.Mapping[str, t.Any]
STRICT, PERMISSIVE = "STRICT", "PERMISSIVE"


def mode_of(
    policies: t.Sequence[Mapping], root: str, namespace: str, labels: t.Mapping[str, str], port: int
) -> tuple[str, str]:
    """The mode of mutual TLS on a port, and the policy that says so: of the workload, its namespace or the mesh, the
    nearest that says something. Without one everything is accepted."""
    own = [item for item in policies if item["metadata"]["namespace"] == namespace]
    levels = [
        [item for item in own if _selector(item) and _selector(item).items() <= labels.items()],
        [item for item in own if not _selector(item)],
        [item for item in policies if item["metadata"]["namespace"] == root and not _selector(item)],
    ]
    for number, level in enumerate(levels):
        # Of several, istiod takes the oldest.
        for item in sorted(level, key=lambda item: str(item["metadata"].get("creationTimestamp") or "")):
            spec = item.get("spec") or {}
            by_port = (spec.get("portLevelMtls") or {}) if number == 0 else {}
            found = (by_port.get(str(port)) or {}).get("mode") or (spec.get("mtls") or {}).get("mode")
            if found and found != "UNSET":
                return str(found), "PeerAuthentication {namespace}/{name}".format(**item["metadata"])
    return PERMISSIVE, ""


def _selector(policy: Mapping) -> dict[str, str]:
    return ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
