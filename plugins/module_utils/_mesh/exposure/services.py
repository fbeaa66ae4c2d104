# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes Services of the exposed services. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from . import backends
from .model import Entry, parse_address

JsonObject = t.Dict[str, t.Any]
Identity = t.Tuple[str, str]

# What marks a Service as made from the list of exposed services.
MANAGED_BY = {
    "app.kubernetes.io/managed-by": "mesh.expansion",
    "app.kubernetes.io/component": "exposure",
}
LABEL_SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED_BY.items())


def exposure_manifests(services: t.Sequence[Entry], vip: str, backend: str = backends.EXTERNAL_IPS) -> list[JsonObject]:
    """The Kubernetes Services that make the nodes accept what the director sends them for the virtual address."""
    address = str(parse_address(vip, "the virtual address"))
    manifests = []
    for entry in services:
        ports = []
        for port in entry["ports"]:
            item = {"name": port["name"]} if port["name"] else {}
            item.update(port=port["port"], protocol=port["protocol"], targetPort=port["target_port"])
            ports.append(item)
        manifest: JsonObject = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": entry["name"],
                "namespace": entry["namespace"],
                "labels": {**entry["labels"], **MANAGED_BY},
            },
            "spec": {**backends.spec(backend, address), "selector": dict(entry["selector"]), "ports": ports},
        }
        status = backends.status(backend, address)
        manifests.append({**manifest, "status": status} if status else manifest)
    return manifests


def is_ours(service: t.Mapping[str, t.Any]) -> bool:
    labels = service["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in MANAGED_BY.items())


def identity(service: t.Mapping[str, t.Any]) -> Identity:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def label(where: Identity) -> str:
    """What a Service is called in messages, operations and diffs."""
    return "Service {}/{}".format(*where)
