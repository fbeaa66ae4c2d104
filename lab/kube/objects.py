# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's objects: read the manifests, apply them server-side, wait for Deployments."""

from __future__ import annotations

import dataclasses
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from lab import config, proc
from lab.kube.client import APPLY, ApiAnswer, Client

Json = dict[str, Any]
MANIFESTS = config.repo_root() / "lab" / "manifests"
RBAC = config.repo_root() / "docs" / "rbac.yaml"
MANAGER = "mesh-lab"
ESTABLISHED_TIMEOUT = 15
"""A resource appears some time after its definition was created."""


@dataclass(frozen=True)
class Resource:
    """How the API calls a kind."""

    root: str
    plural: str
    namespaced: bool

    def collection(self, namespace: str | None) -> str:
        return f"{self.root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{self.root}/{self.plural}"


def resources(root: str, listing: Json) -> dict[str, Resource]:
    """By kind, from an APIResourceList; subresources have a slash in their name."""
    return {
        entry["kind"]: Resource(root, entry["name"], entry["namespaced"])
        for entry in listing["resources"]
        if "/" not in entry["name"]
    }


class Applier:
    """Applies objects server-side under a name; knows the API's resources from its discovery."""

    def __init__(self, client: Client, manager: str = MANAGER) -> None:
        self._client = client
        self._manager = manager
        self._known: dict[str, dict[str, Resource]] = {}

    def _resource(self, item: Mapping[str, Any]) -> Resource:
        version, kind = item["apiVersion"], item["kind"]

        def found() -> Resource | None:
            if kind not in self._known.get(version, {}):
                root = f"/apis/{version}" if "/" in version else f"/api/{version}"
                self._known[version] = resources(root, self._client.call("GET", root))
            return self._known[version].get(kind)

        return proc.wait_for(f"resource for {version} {kind} in the API", found, ESTABLISHED_TIMEOUT)

    def apply(self, item: Mapping[str, Any]) -> None:
        """Server-side apply. A ConfigMap is only created: its content is for the site to edit."""
        resource, meta = self._resource(item), item["metadata"]
        collection = resource.collection(meta.get("namespace"))
        if item["kind"] == "ConfigMap":
            try:
                self._client.call("POST", f"{collection}?fieldManager={self._manager}", dict(item))
            except ApiAnswer as error:
                if error.status != 409:
                    raise
            return
        path = f"{collection}/{quote(meta['name'], safe='')}?fieldManager={self._manager}&force=true"
        self._client.call("PATCH", path, dict(item), APPLY)


def read(*paths: Path, **more: str) -> Iterator[Json]:
    """The objects of manifest files, with the site's values (and more) filled in."""
    values = dataclasses.asdict(config.topology()) | more
    for path in paths:
        text = string.Template(path.read_text(encoding="utf-8")).safe_substitute(values)
        document = yaml.safe_load(text)
        yield from document["items"] if document["kind"] == "List" else [document]


def files(folder: Path) -> list[Path]:
    """Manifest files of a folder, in the order of their names."""
    return sorted(folder.glob("*.yaml"))


def manifests(generation: str) -> Iterator[Json]:
    """What a lab of this generation begins with, the documented rights of the operator at the end."""
    standins = files(MANIFESTS / "citadel") if generation in ("citadel", "both") else []
    yield from read(*files(MANIFESTS), *standins, RBAC)


def unavailable(client: Client) -> list[str]:
    """Deployments that are not wholly updated and available, in words."""
    found = []
    for item in client.call("GET", "/apis/apps/v1/deployments")["items"]:
        meta, now = item["metadata"], item.get("status", {})
        wanted = item["spec"].get("replicas", 1)
        current = now.get("observedGeneration", 0) >= meta["generation"]
        if not current or now.get("updatedReplicas", 0) < wanted or now.get("availableReplicas", 0) < wanted:
            found.append(
                f"{meta['namespace']}/{meta['name']} ({now.get('availableReplicas', 0)} of {wanted} available)"
            )
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
