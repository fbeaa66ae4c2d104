# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server in memory: resource versions, preconditions, owners of fields, Endpoints deleted with their Service."""

from __future__ import annotations

import copy
import json
from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeConflict,
    KubeInvalid,
    KubeNotFound,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    DEPLOYMENTS,
    ENDPOINTS,
    FIELD_MANAGER,
    SERVICE_STATUS,
    SERVICES,
    Resource,
)

from tests.unit.plugins import fake_apply

Key = tuple[str, str, str]
Json = dict[str, Any]


class FakeStore:
    """The objects; several clients may share one."""

    def __init__(self) -> None:
        self.objects: dict[Key, Json] = {}
        self.version = 100
        self.writes: list[tuple[str, Key]] = []
        self.owners: dict[Key, fake_apply.Owners] = {}
        # As before Kubernetes 1.21: each key of a selector has owners of its own.
        self.selector_by_key = False

    def put(self, resource: Resource, namespace: str, body: Json) -> Json:
        self.version += 1
        body = json.loads(json.dumps(body))
        body["metadata"] = {**body["metadata"], "namespace": namespace, "resourceVersion": str(self.version)}
        body.update(apiVersion=resource.api_version, kind=resource.kind)
        for port in (body.get("spec") or {}).get("ports") or [] if resource is SERVICES else []:
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port.get("port"))
        for port in [port for subset in body.get("subsets") or [] for port in subset.get("ports") or []]:
            port.setdefault("protocol", "TCP")
        key = (resource.plural, namespace, body["metadata"]["name"])
        if key in self.owners:
            body["metadata"]["managedFields"] = fake_apply.managed_fields(self.owners[key])
        self.objects[key] = body
        return copy.deepcopy(body)

    def server_side_apply(self, namespace: str, body: Json, force: bool, manager: str = FIELD_MANAGER) -> Json:
        key = (SERVICES.plural, namespace, body["metadata"]["name"])
        live = self.objects.get(key) or {"metadata": {"name": key[2]}, "spec": {"clusterIP": "10.233.1.1"}}
        owners = copy.deepcopy(self.owners.get(key, {}))
        current = fake_apply.flatten(live, self.selector_by_key)
        wanted = fake_apply.flatten(body, self.selector_by_key)
        after = fake_apply.apply(current, owners, wanted, manager, force)
        if key in self.objects and (after, owners) == (current, self.owners.get(key)):
            return copy.deepcopy(live)
        return self._settle(key, live, after, owners)

    def merge(self, namespace: str, name: str, patch: Json, manager: str = FIELD_MANAGER) -> Json:
        """A JSON merge patch of a Service, by anybody."""
        key = (SERVICES.plural, namespace, name)
        if key not in self.objects:
            raise KubeNotFound(f"{key} is gone")
        live = self.objects[key]
        owners = copy.deepcopy(self.owners.get(key, {}))
        current = fake_apply.flatten(live, self.selector_by_key)
        after = fake_apply.flatten(_merged(live, patch), self.selector_by_key)
        fake_apply.update(current, owners, after, manager)
        return self._settle(key, live, after, owners)

    def _settle(self, key: Key, live: Json, flat: fake_apply.Flat, owners: fake_apply.Owners) -> Json:
        parts = fake_apply.unflatten(flat)
        metadata = {**live["metadata"], "labels": parts["labels"]}
        self.owners[key] = owners
        # Only a load balancer has a status to lose.
        kept = parts["spec"].get("type") == "LoadBalancer" and live.get("status")
        status = {"status": live["status"]} if kept else {}
        return self.put(SERVICES, key[1], {"metadata": metadata, "spec": parts["spec"], **status})

    def merge_status(self, namespace: str, name: str, patch: Json) -> Json:
        live = self.objects[(SERVICES.plural, namespace, name)]
        if live["spec"].get("type") != "LoadBalancer":
            raise KubeInvalid("status.loadBalancer: may only be used when spec.type is LoadBalancer")
        return self.put(SERVICES, namespace, _merged(live, patch))

    def merge_deployment(self, key: Key, patch: Json) -> Json:
        """Its generation counts changes of its spec; what its controller makes of them is up to the test."""
        live = self.objects[key]
        after = _merged(live, patch)
        if after["spec"] != live["spec"]:
            after["metadata"]["generation"] = after["metadata"].get("generation", 1) + 1
        return self.put(DEPLOYMENTS, key[1], after)


class FakeKube:
    """What modules use of KubeClient. `before_write` is called before each write: the place to interfere."""

    def __init__(self, store: FakeStore | None = None, before_write: Any = None) -> None:
        self.store = store or FakeStore()
        self.before_write = before_write
        self.warnings: list[str] = []
        self.host = "https://fake:6443"
        self.version = "v1.20.2"
        self.dry_runs: list[tuple[str, Key]] = []
        self.allowed: Any = lambda **_attributes: True

    def get(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        return copy.deepcopy(self.store.objects.get((resource.plural, namespace or "", name)))

    def get_metadata(self, resource: Resource, namespace: str, name: str) -> Json | None:
        found = self.get(resource, namespace, name)
        return {"metadata": found["metadata"]} if found else None

    def list(
        self,
        resource: Resource,
        namespace: str | None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 0,
    ) -> list[Json]:
        wanted = dict(item.split("=") for item in (label_selector or "").split(",") if item)
        found = []
        for (plural, where, _name), body in self.store.objects.items():
            labels = body["metadata"].get("labels") or {}
            if plural == resource.plural and namespace in (None, where) and wanted.items() <= labels.items():
                found.append(copy.deepcopy(body))
        return found

    def apply(
        self,
        resource: Resource,
        namespace: str,
        body: Json,
        force: bool = False,
        dry_run: bool = False,
    ) -> Json:
        assert resource is SERVICES
        self._begin("apply", resource, namespace, body["metadata"]["name"], dry_run)
        return self._target(dry_run).server_side_apply(namespace, body, force)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Json,
        dry_run: bool = False,
    ) -> Json:
        if resource is DEPLOYMENTS:
            key = self._begin("patch", resource, str(namespace), name, dry_run)
            # A patch may name the version that it is meant for.
            self._check(key, (body.get("metadata") or self.store.objects[key]["metadata"])["resourceVersion"])
            return self._target(dry_run).merge_deployment(key, body)
        if resource not in (SERVICES, SERVICE_STATUS):
            key = self._begin("patch", resource, namespace or "", name, dry_run)
            self._check(key, body["metadata"]["resourceVersion"])
            return self._target(dry_run).put(resource, namespace or "", _merged(self.store.objects[key], body))
        if resource is SERVICE_STATUS:
            self._begin("status", resource, str(namespace), name, dry_run)
            return self._target(dry_run).merge_status(str(namespace), name, body)
        self._begin("patch", resource, str(namespace), name, dry_run)
        return self._target(dry_run).merge(str(namespace), name, body)

    def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        key = self._begin("create", resource, namespace, body["metadata"]["name"])
        if key in self.store.objects:
            raise KubeConflict(f"{key} exists")
        return self.store.put(resource, namespace, body)

    def replace(self, resource: Resource, namespace: str, body: Json) -> Json:
        key = self._begin("update", resource, namespace, body["metadata"]["name"])
        self._check(key, body["metadata"]["resourceVersion"])
        return self.store.put(resource, namespace, body)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        resource_version: str,
        dry_run: bool = False,
    ) -> None:
        key = self._begin("delete", resource, namespace, name, dry_run)
        self._check(key, resource_version)
        if dry_run:
            return
        del self.store.objects[key]
        self.store.owners.pop(key, None)
        if resource is SERVICES:
            self.store.objects.pop((ENDPOINTS.plural, namespace, name), None)

    def can_i(
        self,
        verb: str,
        group: str,
        resource: str,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Any:
        given = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
        ok = self.allowed(**given, subresource=subresource)
        return bool(ok), "" if ok else "no rule allows it"

    def server_version(self) -> str:
        return self.version

    def _begin(self, action: str, resource: Resource, namespace: str, name: str, dry_run: bool = False) -> Key:
        key = (resource.plural, namespace, name)
        if self.before_write:
            self.before_write(action, key)
        if dry_run:
            self.dry_runs.append((action, key))
        else:
            self.store.writes.append((action, key))
        return key

    def _target(self, dry_run: bool) -> FakeStore:
        return copy.deepcopy(self.store) if dry_run else self.store

    def _check(self, key: Key, version: str) -> None:
        if key not in self.store.objects:
            raise KubeNotFound(f"{key} is gone")
        if self.store.objects[key]["metadata"]["resourceVersion"] != version:
            raise KubeConflict(f"{key} changed")


def _merged(value: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    base = value if isinstance(value, dict) else {}
    kept = {key: item for key, item in base.items() if key not in patch}
    return {**kept, **{key: _merged(base.get(key), item) for key, item in patch.items() if item is not None}}
