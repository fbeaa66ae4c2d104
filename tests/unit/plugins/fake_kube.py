# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory: resource versions, preconditions, Endpoints repacked on write, Services deleted with theirs."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeConflict, KubeNotFound
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import ENDPOINTS, SERVICES, Resource

Key = tuple[str, str, str]


class FakeStore:
    """The objects; several clients may share one."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.version = 100
        self.writes: list[tuple[str, Key]] = []

    def put(self, resource: Resource, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        body = json.loads(json.dumps(body))
        body["metadata"] = {**body["metadata"], "namespace": namespace, "resourceVersion": str(self.version)}
        body.update(apiVersion=resource.api_version, kind=resource.kind)
        for port in (body.get("spec") or {}).get("ports") or []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
        for port in [port for subset in body.get("subsets") or [] for port in subset.get("ports") or []]:
            port.setdefault("protocol", "TCP")
        self.objects[(resource.plural, namespace, body["metadata"]["name"])] = body
        return copy.deepcopy(body)


class FakeKube:
    """What modules use of KubeClient. `before_write` is called before each write: the place to interfere."""

    def __init__(self, store: FakeStore | None = None, before_write: Any = None) -> None:
        self.store = store or FakeStore()
        self.before_write = before_write
        self.warnings: list[str] = []
        self.host = "https://fake:6443"
        self.allowed: Any = lambda **_attributes: True

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.store.objects.get((resource.plural, namespace, name)))

    def get_metadata(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        found = self.get(resource, namespace, name)
        return {"metadata": found["metadata"]} if found else None

    def create(self, resource: Resource, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        key = self._begin("create", resource, namespace, body["metadata"]["name"])
        if key in self.store.objects:
            raise KubeConflict(f"{key} exists")
        return self.store.put(resource, namespace, body)

    def replace(self, resource: Resource, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        key = self._begin("update", resource, namespace, body["metadata"]["name"])
        self._check(key, body["metadata"]["resourceVersion"])
        return self.store.put(resource, namespace, body)

    def delete(self, resource: Resource, namespace: str, name: str, resource_version: str) -> None:
        key = self._begin("delete", resource, namespace, name)
        self._check(key, resource_version)
        del self.store.objects[key]
        if resource is SERVICES:
            self.store.objects.pop((ENDPOINTS.plural, namespace, name), None)

    def can_i(self, verb: str, group: str, resource: str, namespace: str = "", name: str = "", subresource: str = "") -> Any:
        ok = self.allowed(verb=verb, group=group, resource=resource, namespace=namespace, name=name, subresource=subresource)
        return bool(ok), "" if ok else "no rule allows it"

    def server_version(self) -> str:
        return "v1.20.2"

    def _begin(self, action: str, resource: Resource, namespace: str, name: str) -> Key:
        key = (resource.plural, namespace, name)
        if self.before_write:
            self.before_write(action, key)
        self.store.writes.append((action, key))
        return key

    def _check(self, key: Key, version: str) -> None:
        if key not in self.store.objects:
            raise KubeNotFound(f"{key} is gone")
        if self.store.objects[key]["metadata"]["resourceVersion"] != version:
            raise KubeConflict(f"{key} changed")
