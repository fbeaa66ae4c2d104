# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a registration needs in a namespace of VMs. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .services import AUTO, ENDPOINTS, ENTRIES, SLICES

Right = t.Tuple[str, str, t.List[str]]
"""API group, resource, verbs."""

_WRITE = ["create", "update", "delete"]
_ISTIO = "networking.istio.io"
_DISCOVERY = "discovery.k8s.io"


def drain(backend: str) -> list[Right]:
    """What it takes beyond that to drain VMs, as leave.yml does."""
    # What istiod holds to be a VM's health.
    return [(_ISTIO, "workloadentries/status", ["update"])] if backend == AUTO else []


def needed(backend: str, plain_clients: bool) -> list[Right]:
    services: Right = ("", "services", ["get", "list", *_WRITE])
    if backend == ENDPOINTS:
        return [services, ("", "endpoints", ["get", "list", *_WRITE])]
    if backend == SLICES:
        return [services, (_DISCOVERY, "endpointslices", ["list", *_WRITE])]
    # Those of istiod take over what changes in their group.
    entries = {ENTRIES: ["list", *_WRITE], AUTO: ["list", "update"]}[backend]
    return [
        services,
        (_ISTIO, "workloadentries", entries),
        *([(_ISTIO, "workloadgroups", ["list", *_WRITE])] if backend == AUTO else []),
        ("", "serviceaccounts", ["list", "create", "delete"]),
        # Who else uses a Service or a ServiceAccount of ours, before it is deleted.
        ("", "pods", ["list"]),
        (_DISCOVERY, "endpointslices", ["list", *(_WRITE if plain_clients else [])]),
    ]
