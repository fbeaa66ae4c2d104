# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster with an istiod has, and a VM of it: for tests."""

from __future__ import annotations

import base64
import json
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.control_plane import ControlPlane
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.group import WorkloadGroup
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.options import Options

from tests.unit.plugins import mesh_pki as pki

Json = dict[str, t.Any]
VIP = "192.0.2.62"
MESH = "defaultConfig:\n  discoveryAddress: istiod.istio-system.svc:15012\ntrustDomain: cluster.local\n"
HOST = "istiod.istio-system.svc"
UID = "11111111-2222-3333-4444-555555555555"


def configmap(name: str, namespace: str = "istio-system", **data: str) -> Json:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def values(cluster: str | None = "Kubernetes") -> str:
    return json.dumps({"global": {"multiCluster": {"clusterName": cluster} if cluster is not None else {}}})


def group_object(name: str = "web", annotations: Json | None = None, **spec: t.Any) -> Json:
    metadata: Json = {"name": name, "namespace": "default"}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "spec": spec}


def group(name: str = "web", annotations: Json | None = None, **spec: t.Any) -> WorkloadGroup:
    return WorkloadGroup.parse(group_object(name, annotations, **spec))


def control_plane(mesh: Json | None = None, **changes: t.Any) -> ControlPlane:
    made = {
        "namespace": "istio-system",
        "revision": "",
        "mesh": {"trustDomain": "cluster.local", **(mesh or {})},
        "cluster_id": "Kubernetes",
        "root": pki.pem(pki.authority().root).decode(),
    }
    return ControlPlane(**{**made, **changes})


def options(**changes: t.Any) -> Options:
    return Options.from_options({"workload_group": "web", "vip": VIP, **changes})


def token(subject: str = "system:serviceaccount:default:default", seconds: float = 3600, uid: str = UID) -> str:
    """As an API server makes it, but for the signature."""
    content = {
        "aud": ["istio-ca"],
        "exp": int(pki.NOW.timestamp() + seconds),
        "sub": subject,
        "kubernetes.io": {"serviceaccount": {"name": subject.rpartition(":")[2], "uid": uid}},
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, content)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])
