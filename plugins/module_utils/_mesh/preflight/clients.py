# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod that the last row is checked from: without one nothing fails, and that row is not checked. Pure.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ..checks.client_pod import LABEL, NAMESPACE, no_client
from ..site import Site

JsonObject = t.Dict[str, t.Any]
KIND = "Pod"


def documents(site: Site) -> list[JsonObject]:
    """What to read, in the form of M(mesh.expansion.kube_access_info)."""
    namespace, selector = _wanted(site)
    return [{"kind": KIND, "namespace": namespace, "name": "", "selector": selector, "keys": []}]


def findings(site: Site, read: t.Sequence[JsonObject]) -> t.Iterator[str]:
    if any(item["kind"] == KIND and item["state"] == "invalid" for item in read):
        yield f"mesh_verify_client: its selector {_wanted(site)[1]!r} is not understood. Write labels, as app=sleep."


def notes(site: Site, read: t.Sequence[JsonObject]) -> list[str]:
    """Empty also where nothing is known of pods; that a right is missing is a finding."""
    found = [item for item in read if item["kind"] == KIND and item["state"] == "ok"]
    if not found or any(pod["phase"] == "Running" for item in found for pod in item["items"]):
        return []
    return [f"The last row of verify would not be checked: {no_client(*_wanted(site))}."]


def _wanted(site: Site) -> tuple[str, str]:
    return str(site.client.get("namespace") or NAMESPACE), str(site.client.get("selector") or LABEL)
