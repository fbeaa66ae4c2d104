# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the cluster would take the exposed Services, and leave them to us: asked of the API server, without effect.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeForbidden
from ..._kube.resources import FIELD_MANAGER, SERVICES
from .model import ExposureError
from .services import JsonObject
from .work import Exposer


def refusal(client: KubeClient, exposure: t.Mapping[str, t.Any]) -> str:
    """Why the API server, or what it asks about every write, would refuse them; empty when it takes them."""
    try:
        exposer = Exposer(client, {**exposure, "state": "present"}, check_mode=True)
    except ExposureError:
        # A list that cannot be used, or a label that is missing: findings of their own.
        return ""
    try:
        exposer.apply(exposer.plan())
    except (ExposureError, KubeForbidden) as exc:
        return str(exc)
    return ""


def claims(client: KubeClient, exposure: t.Mapping[str, t.Any]) -> list[JsonObject]:
    """The Services whose load balancer somebody else says to be."""
    names = [(entry["namespace"], entry["name"]) for entry in exposure["services"]]
    found = [client.get(SERVICES, *where) for where in names]
    return [claim for service in found if service for claim in [claim_of(service, exposure["vip"])] if claim]


def claim_of(service: JsonObject, vip: str) -> JsonObject | None:
    """The addresses that are not ours, and who has written them."""
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    addresses = [str(item.get("ip") or item.get("hostname")) for item in ingress if item.get("ip") != vip]
    managers = [
        str(entry.get("manager"))
        for entry in service["metadata"].get("managedFields") or []
        if "f:loadBalancer" in ((entry.get("fieldsV1") or {}).get("f:status") or {})
    ]
    others = [name for name in managers if name != FIELD_MANAGER]
    if not addresses or not others:
        return None
    metadata = service["metadata"]
    where = {"namespace": metadata["namespace"], "name": metadata["name"]}
    return {**where, "addresses": addresses, "managers": sorted(set(others))}
