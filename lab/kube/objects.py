# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's objects: read the manifests, apply them server-side, wait for Deployments."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import yaml

from lab import config
from lab.errors import LabError
from lab.kube.client import APPLY, ApiAnswer, Client

Json = dict[str, Any]
MANIFESTS = config.repo_root() / "lab" / "manifests"
RBAC = config.repo_root() / "docs" / "rbac.yaml"
MANAGER = "mesh-lab"
CLUSTER_WIDE = {"Namespace", "ClusterRole", "ClusterRoleBinding"}
RESOURCES = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "Service": "services",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Deployment": "deployments",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
}


def collection_path(item: Mapping[str, Any]) -> str:
    """API path of the collection that an object belongs to."""
    group, kind = item["apiVersion"], item["kind"]
    if kind not in RESOURCES:
        raise LabError(f"manifest {kind} {item['metadata']['name']}: kind not known to the lab; it has {sorted(RESOURCES)}")
    root = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    if kind in CLUSTER_WIDE:
        return f"{root}/{RESOURCES[kind]}"
    return f"{root}/namespaces/{item['metadata']['namespace']}/{RESOURCES[kind]}"


def manifests() -> Iterator[Json]:
    """All objects, file by file in the order of their names, then the documented rights of the operator."""
    values = dataclasses.asdict(config.topology())
    for path in (*sorted(MANIFESTS.glob("*.yaml")), RBAC):
        text = string.Template(path.read_text(encoding="utf-8")).safe_substitute(values)
        document = yaml.safe_load(text)
        yield from document["items"] if document["kind"] == "List" else [document]


def apply(client: Client, item: Json) -> None:
    """Server-side apply. A ConfigMap is only created: its content is for the site to edit."""
    collection = collection_path(item)
    if item["kind"] == "ConfigMap":
        try:
            client.call("POST", f"{collection}?fieldManager={MANAGER}", item)
        except ApiAnswer as error:
            if error.status != 409:
                raise
        return
    path = f"{collection}/{quote(item['metadata']['name'], safe='')}?fieldManager={MANAGER}&force=true"
    client.call("PATCH", path, item, APPLY)


def unavailable(client: Client) -> list[str]:
    """Deployments that are not wholly updated and available, in words."""
    found = []
    for item in client.call("GET", "/apis/apps/v1/deployments")["items"]:
        meta, now = item["metadata"], item.get("status", {})
        wanted = item["spec"].get("replicas", 1)
        current = now.get("observedGeneration", 0) >= meta["generation"]
        if not current or now.get("updatedReplicas", 0) < wanted or now.get("availableReplicas", 0) < wanted:
            found.append(f"{meta['namespace']}/{meta['name']} ({now.get('availableReplicas', 0)} of {wanted} available)")
    return found


def nodes_not_run_by(client: Client, runner: int | None) -> list[str]:
    """Nodes of the site whose status was not written by the pod runner with this process id."""
    listed = client.call("GET", "/api/v1/nodes")["items"]
    written = {n["metadata"]["name"]: n.get("status", {}).get("nodeInfo", {}).get("bootID") for n in listed}
    return [host.name for host in config.topology().with_role("node") if written.get(host.name) != str(runner)]


def troubled_pods(client: Client) -> list[str]:
    """Pods that are not ready, with what their containers wait for."""
    found = []
    for pod in client.call("GET", "/api/v1/pods")["items"]:
        conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") == "True":
            continue
        states = [c["state"] for c in pod["status"].get("containerStatuses", [])]
        reasons = [f"{s['waiting'].get('reason')}: {s['waiting'].get('message', '')}" for s in states if "waiting" in s]
        meta = pod["metadata"]
        found.append(f"{meta['namespace']}/{meta['name']}: {'; '.join(reasons) or 'running, not ready'}")
    return found
