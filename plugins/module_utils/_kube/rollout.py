# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a Deployment's rollout has finished. Pure. Private to the collection."""

from __future__ import annotations

import typing as t


def unfinished(deployment: t.Mapping[str, t.Any]) -> str:
    """Why it has not: not all of its pods are of its present template and available. Empty when they are."""
    spec, status = deployment["spec"], deployment.get("status") or {}
    if (status.get("observedGeneration") or 0) < (deployment["metadata"].get("generation") or 0):
        return "its controller has not seen its last change yet"
    wanted = spec.get("replicas", 1)
    updated, total, available = (status.get(name) or 0 for name in ("updatedReplicas", "replicas", "availableReplicas"))
    if updated < wanted:
        return f"{updated} of {wanted} pods are of its present template{_cause(spec, status)}"
    if total > updated:
        return f"{total - updated} pods of its former template have not ended{_cause(spec, status)}"
    if available < wanted:
        return f"{available} of {wanted} pods are available{_cause(spec, status)}"
    return ""


def _cause(spec: t.Mapping[str, t.Any], status: t.Mapping[str, t.Any]) -> str:
    """What holds it up, as far as the Deployment says."""
    if spec.get("paused"):
        return " (it is paused)"
    for condition in status.get("conditions") or []:
        if (condition.get("type"), condition.get("status")) in (("ReplicaFailure", "True"), ("Progressing", "False")):
            return f" ({str(condition.get('message') or condition.get('reason')).rstrip('.')})"
    return ""
