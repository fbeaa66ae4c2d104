# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out what takes VMs out of the endpoints, or back. Private to the collection."""

from __future__ import annotations

import datetime
import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeForbidden, KubeNotFound
from ..._kube.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_ENTRY_STATUS,
    Resource,
)
from ..._kube.retry import retry_on_conflict
from . import drain
from . import services as layer
from .drain import Found, Outcome, Seen

# Without these a backend's VMs would seem to be registered nowhere.
_NEEDED: dict[str, tuple[Resource, ...]] = {
    layer.ENDPOINTS: (ENDPOINTS,),
    layer.SLICES: (ENDPOINT_SLICES,),
    layer.ENTRIES: (ENDPOINT_SLICES, WORKLOAD_ENTRIES),
    layer.AUTO: (ENDPOINT_SLICES, WORKLOAD_ENTRIES),
}
RESOURCES: dict[str, Resource] = {
    item.kind: item for item in (ENDPOINTS, ENDPOINT_SLICES, WORKLOAD_ENTRIES, WORKLOAD_ENTRY_STATUS)
}


class Drainer:
    """`written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        backend: str,
        addresses: t.Collection[str],
        drained: bool,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._needed = _NEEDED[backend]
        self._addresses = addresses
        self._drained = drained
        self._sleep = sleep
        self.written: list[str] = []

    def plan(self, namespace: str) -> Outcome:
        return drain.plan(namespace, self._read(namespace), self._addresses, self._drained, _now())

    def apply(self, namespace: str, first: Outcome) -> None:
        def attempt(number: int) -> None:
            for operation in (self.plan(namespace) if number else first).operations:
                self._client.replace(RESOURCES[operation.kind], namespace, operation.body)
                self.written.append(str(operation))

        retry_on_conflict(attempt, f"The endpoints in namespace {namespace}", sleep=self._sleep)

    def _read(self, namespace: str) -> Seen:
        services = self._listed(SERVICES, namespace)
        told = len(self._client.warnings)
        endpoints = self._listed(ENDPOINTS, namespace)
        if ENDPOINTS not in self._needed:
            # Who registers otherwise need not hear that Endpoints are deprecated.
            del self._client.warnings[told:]
        slices, entries = (self._listed(kind, namespace) for kind in (ENDPOINT_SLICES, WORKLOAD_ENTRIES))
        return Seen(services, endpoints, slices, entries)

    def _listed(self, resource: Resource, namespace: str) -> Found:
        try:
            items = self._client.list(resource, namespace)
        except (KubeForbidden, KubeNotFound):
            if resource is SERVICES or resource in self._needed:
                raise
            return {}
        return {
            item["metadata"]["name"]: {**item, "apiVersion": resource.api_version, "kind": resource.kind}
            for item in items
        }


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
