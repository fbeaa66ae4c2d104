# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for registered VMs that belong to nobody any more, and remembers since when they are silent. Private to the
collection."""

from __future__ import annotations

import datetime
import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeForbidden, KubeNotFound
from ..._kube.resources import ENDPOINT_SLICES, ENDPOINTS, WORKLOAD_ENTRIES, WORKLOAD_GROUPS, Resource
from ..._kube.retry import retry_on_conflict
from . import orphans
from . import services as layer
from .layers import Found, World
from .objects import RECORD_ANNOTATION, annotation
from .orphans import Inventory, Outcome
from .registrar import OUR_SLICES, OURS, RESOURCES

# Without these a backend's VMs would seem to be registered nowhere.
_NEEDED: dict[str, tuple[Resource, ...]] = {
    layer.ENDPOINTS: (ENDPOINTS,),
    layer.SLICES: (ENDPOINT_SLICES,),
    layer.ENTRIES: (WORKLOAD_ENTRIES,),
    layer.AUTO: (WORKLOAD_ENTRIES, WORKLOAD_GROUPS),
}


class Searcher:
    """`written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        backend: str,
        known: Inventory,
        answering: t.Collection[str] | None,
        now: datetime.datetime,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._needed = _NEEDED[backend]
        self._known = known
        self._answering = answering
        self._now = now
        self._sleep = sleep
        self.written: list[str] = []

    def plan(self, namespace: str) -> Outcome:
        return orphans.plan(namespace, self._read(namespace), self._known, self._answering, self._now)

    def remember(self, namespace: str, first: Outcome) -> None:
        def attempt(number: int) -> None:
            for operation in (self.plan(namespace) if number else first).operations:
                self._client.replace(RESOURCES[operation.kind], namespace, operation.body)
                self.written.append(str(operation))

        retry_on_conflict(attempt, f"The objects of VMs in namespace {namespace}", sleep=self._sleep)

    def _read(self, namespace: str) -> World:
        told = len(self._client.warnings)
        # One that somebody else created may hold VMs of ours.
        held = {
            name: body
            for name, body in self._listed(ENDPOINTS, namespace).items()
            if annotation(body, RECORD_ANNOTATION)
        }
        if ENDPOINTS not in self._needed:
            # Who registers otherwise need not hear that Endpoints are deprecated.
            del self._client.warnings[told:]
        slices = self._listed(ENDPOINT_SLICES, namespace, OUR_SLICES)
        groups = self._listed(WORKLOAD_GROUPS, namespace, OURS)
        return World({}, held, slices, self._listed(WORKLOAD_ENTRIES, namespace), groups, {})

    def _listed(self, resource: Resource, namespace: str, selector: str | None = None) -> Found:
        try:
            items = self._client.list(resource, namespace, selector)
        except (KubeForbidden, KubeNotFound):
            if resource in self._needed:
                raise
            return {}
        return {
            item["metadata"]["name"]: {**item, "apiVersion": resource.api_version, "kind": resource.kind}
            for item in items
        }
