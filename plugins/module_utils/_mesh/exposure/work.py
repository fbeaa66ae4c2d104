# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the exposed Services, plans and writes: what the module mesh_services does. Private to the collection."""

from __future__ import annotations

import itertools
import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import (
    KubeConflict,
    KubeDenied,
    KubeError,
    KubeFieldConflict,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
)
from ..._kube.resources import NAMESPACES, SERVICE_STATUS, SERVICES
from ..._kube.retry import retry_on_conflict
from . import backends
from .failures import explain, only_with_ourselves
from .model import Entry, ExposureError, parse_address, parse_services
from .plan import Operation, Plan, missing, plan_absent, plan_present
from .services import LABEL_SELECTOR, exposure_manifests, is_ours, label

_REFUSALS = (KubeConflict, KubeDenied, KubeFieldConflict, KubeForbidden, KubeInvalid, KubeNotFound)


class Exposer:
    """Reads, plans and writes; `written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        params: t.Mapping[str, t.Any],
        check_mode: bool = False,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._state: str = params["state"]
        self._vip: str = params["vip"] or ""
        self._manifests = _manifests(params, client)
        self._adopt: bool = params["adopt"]
        self._check_mode = check_mode
        self._sleep = sleep
        self.written: list[str] = []

    def plan(self) -> Plan:
        live = self._client.list(SERVICES, None, LABEL_SELECTOR)
        if self._state == "absent":
            return plan_absent(live)
        others = [self._client.get(SERVICES, *where) for where in missing(self._manifests, live)]
        return plan_present(self._manifests, [*live, *(found for found in others if found)], self._adopt)

    def apply(self, plan: Plan) -> None:
        """Write, in check mode without effect. Nothing is removed when something could not be applied."""
        failures: list[KubeError] = []
        for _where, group in itertools.groupby(plan.operations, key=lambda operation: operation.service):
            operations = list(group)
            # From here on the former way is taken away, and what is not wanted any more.
            if operations[0].action in ("settle", "delete") and failures:
                break
            if operations[0].action == "settle":
                if not self._check_mode:
                    self._sleep(backends.SETTLE_SECONDS)
                continue
            # Without effect, the second write of a Service would not find what the first one makes of it.
            for operation in operations[:1] if self._check_mode else operations:
                try:
                    self._write(operation)
                except _REFUSALS as exc:
                    failures.append(exc)
                    break
        if failures:
            raise ExposureError(explain(failures, self._vip))

    def _write(self, operation: Operation) -> None:
        namespace, name = operation.service
        if operation.action == "delete":
            self._delete(operation)
        elif operation.action in ("patch", "status"):
            resource = SERVICE_STATUS if operation.action == "status" else SERVICES
            self._client.patch(resource, namespace, name, operation.body, dry_run=self._check_mode)
        else:
            self._server_side_apply(operation)
        if not self._check_mode:
            self.written.append(str(operation))

    def _server_side_apply(self, operation: Operation) -> None:
        namespace = operation.service[0]
        # The status is written by itself.
        body = {key: value for key, value in operation.body.items() if key != "status"}
        try:
            self._client.apply(SERVICES, namespace, body, self._adopt, self._check_mode)
        except KubeFieldConflict as exc:
            if not only_with_ourselves(exc):
                raise
            self._client.apply(SERVICES, namespace, body, True, self._check_mode)

    def _delete(self, operation: Operation) -> None:
        def attempt(number: int) -> None:
            found = self._client.get(SERVICES, *operation.service) if number else operation.body
            if found is not None and is_ours(found):
                version = found["metadata"]["resourceVersion"]
                self._client.delete(SERVICES, *operation.service, version, dry_run=self._check_mode)

        retry_on_conflict(attempt, label(operation.service), sleep=self._sleep)


def _manifests(params: t.Mapping[str, t.Any], client: KubeClient) -> list[dict[str, t.Any]]:
    if params["state"] == "absent":
        return []
    if not params["services"]:
        raise ExposureError("services is empty, so nothing would stay exposed. Use state: absent if that is wanted.")
    vip = parse_address(params["vip"], "vip (exposure_vip in the role exposure)")
    backend = params["backend"]
    if backend == backends.AUTO:
        backend = backends.choose(backend, client.server_version())
    services = [_with_inherited(entry, client) for entry in parse_services(params["services"])]
    return exposure_manifests(services, str(vip), backend)


def _with_inherited(entry: Entry, client: KubeClient) -> Entry:
    """With the labels that the Service takes over from its namespace."""
    if not entry["inherited_labels"]:
        return entry
    namespace = entry["namespace"]
    found = client.get(NAMESPACES, None, namespace) or {"metadata": {}}
    labels = found["metadata"].get("labels") or {}
    for key in entry["inherited_labels"]:
        if not labels.get(key):
            raise ExposureError(
                f"Namespace {namespace} has no label {key}, which Service {namespace}/{entry['name']} takes over from "
                f"it. Set it: kubectl label namespace {namespace} {key}=NAME. For the name of the pods' network, the "
                "collection does it with mesh_network and mesh_label_network: true."
            )
    return {**entry, "labels": {**entry["labels"], **{key: labels[key] for key in entry["inherited_labels"]}}}
