# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries registrations out: reads a namespace, has a round planned, writes, until there is nothing left to write.

Private to the collection.
"""

from __future__ import annotations

import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeConflict, KubeForbidden, KubeNotFound
from ..._kube.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    Resource,
)
from ..._kube.retry import retry_on_conflict
from . import services as layer
from .endpoint_slice import MANAGER_LABEL, SERVICE_LABEL, is_slice_of_ours
from .layers import Found, Wish, World
from .model import Registration, RegistrationError
from .objects import MANAGED_BY, MANAGED_BY_LABEL, Operation, is_ours
from .plan import Round, plan_round, simulate

RESOURCES: dict[str, Resource] = {
    item.kind: item
    for item in (SERVICES, ENDPOINTS, ENDPOINT_SLICES, WORKLOAD_ENTRIES, WORKLOAD_GROUPS, SERVICE_ACCOUNTS)
}
OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
# Kubernetes gives its own slices the labels of their Service or Endpoints, but not this one.
OUR_SLICES = f"{MANAGER_LABEL}={MANAGED_BY}"

# The endpoints controller removes the Endpoints of a deleted Service a moment later. After a collision, look again.
SETTLE_SECONDS = 0.5
# How long a node, and a proxy of the mesh, may take to see what was written, before what it replaces goes.
HANDOVER_SECONDS = 2.0
# How often it is looked whether istiod has done its part.
_LOOK_SECONDS = 1.0
# A move takes four: write, select, let go, and look once more; one that leads over slices takes seven.
_ROUNDS = 12


class Namespaced(t.NamedTuple):
    """All that a run does in one namespace, and what is behind its Services afterwards."""

    namespace: str
    batch: list[Registration]
    operations: list[Operation]
    last: Round
    warnings: list[str]


class Registrar:
    """Carries out batches; `written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        wish: Wish,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._wish = wish
        self._sleep = sleep
        self._clock = clock
        # What `plan` has read, for the first attempt of `apply`.
        self._seen: dict[str, World] = {}
        self.written: list[str] = []
        self.attempts = 0

    def plan(self, namespace: str, batch: list[Registration]) -> Namespaced:
        """All rounds to the end, without writing."""
        world = self._seen[namespace] = self._read(namespace, batch)
        operations: list[Operation] = []
        warnings: list[str] = []
        for _number in range(_ROUNDS):
            found = self._round(namespace, world, batch)
            warnings += found.warnings
            if not found.operations:
                return Namespaced(namespace, batch, operations, found, list(dict.fromkeys(warnings)))
            operations += found.operations
            world = simulate(world, found.operations)
        raise RegistrationError(
            f"The registration of {_what(namespace, batch)} does not come to an end: {', '.join(map(str, operations))}."
            " This is an error of mesh.expansion; report it with the Services as they are in the API."
        )

    def apply(self, namespace: str, batch: list[Registration]) -> Round:
        """Write until a fresh reading of the API needs no more writing; returns the plan of that reading."""

        def attempt(number: int) -> Round:
            self.attempts = max(self.attempts, number + 1)
            for _number in range(_ROUNDS):
                world = self._seen.pop(namespace, None) or self._read(namespace, batch)
                found = self._round(namespace, world, batch)
                if not found.operations:
                    return found
                if any(operation.handover for operation in found.operations):
                    self._sleep(HANDOVER_SECONDS)
                conflict = self._write_all(namespace, found.operations)
                if (number or conflict) and any(item.kind == "Endpoints" for item in found.operations):
                    self._sleep(SETTLE_SECONDS)
                if conflict:
                    raise conflict
            raise KubeConflict(f"{_what(namespace, batch)} changed while it was written.")

        return retry_on_conflict(attempt, f"The registration of {_what(namespace, batch)}", sleep=self._sleep)

    def settle(self, namespace: str, batch: list[Registration], seconds: float) -> Round:
        """Apply, and again while istiod has something to do, for as long."""
        deadline = self._clock() + seconds
        while True:
            last = self.apply(namespace, batch)
            if not last.waiting or self._clock() >= deadline:
                return last
            self._sleep(_LOOK_SECONDS)

    def _write_all(self, namespace: str, operations: t.Sequence[Operation]) -> Exception | None:
        """Where a write meets somebody else's, the Service waits for the next reading; the others go on."""
        stopped: set[str] = set()
        conflict: Exception | None = None
        for operation in operations:
            if stopped.intersection(operation.services):
                continue
            try:
                self._write(namespace, operation)
            except (KubeConflict, KubeNotFound) as exc:
                stopped.update(operation.services)
                conflict = exc
        return conflict

    def _write(self, namespace: str, operation: Operation) -> None:
        resource = RESOURCES[operation.kind]
        if operation.action == "create":
            self._client.create(resource, namespace, operation.body)
        elif operation.action == "update":
            self._client.replace(resource, namespace, operation.body)
        else:
            version = operation.body["metadata"]["resourceVersion"]
            self._client.delete(resource, namespace, operation.name, version)
        self.written.append(str(operation))

    def _round(self, namespace: str, world: World, batch: list[Registration]) -> Round:
        """The next round, less the removal of what others use by now."""
        found = plan_round(namespace, world, batch, self._wish)
        spared = {id(item): why for item in found.operations for why in [self._used(namespace, item)] if why}
        return found._replace(
            operations=[item for item in found.operations if id(item) not in spared],
            stays=[*found.stays, *spared.values()],
        )

    def _used(self, namespace: str, operation: Operation) -> str:
        if operation.action != "delete":
            return ""
        if operation.kind == "ServiceAccount":
            selector = f"spec.serviceAccountName={operation.name}"
            return self._spare(operation, "pods run as it", PODS, namespace, field_selector=selector, limit=1)
        if operation.kind == "Service" and (operation.body.get("spec") or {}).get("selector"):
            selector = f"{SERVICE_LABEL}={operation.name}"
            return self._spare(operation, "pods are behind it", ENDPOINT_SLICES, namespace, label_selector=selector)
        return ""

    def _spare(self, operation: Operation, reason: str, resource: Resource, namespace: str, **selection: t.Any) -> str:
        """Why an object of ours stays although no VM needs it, or nothing."""
        try:
            found = self._client.list(resource, namespace, **selection)
        except KubeForbidden as exc:
            return f"{operation.label} stays: whether {reason} cannot be seen. {exc}"
        users = [item for item in found if resource is PODS or (not is_slice_of_ours(item) and item.get("endpoints"))]
        return f"{operation.label} stays: {reason}. Delete it when they have gone." if users else ""

    # reading

    def _read(self, namespace: str, batch: list[Registration]) -> World:
        # The Services first, then what carries VMs, the WorkloadEntries last: what is written last is read first, so
        # that nothing is taken for unused while the rest of it is on the way.
        services = self._listed(SERVICES, namespace, OURS)
        names = [item.name for item in batch]
        self._add_missing(services, SERVICES, namespace, names)
        kinds = self._kinds(services, batch)

        def optional(resource: Resource, *layers: str, selector: str | None = OURS) -> Found:
            wanted = [name for name in layers if name in kinds]
            return self._listed(resource, namespace, selector, all(kinds[name] for name in wanted)) if wanted else {}

        slices = optional(ENDPOINT_SLICES, layer.SLICES, layer.PLAIN, selector=OUR_SLICES)
        told = len(self._client.warnings)
        held = optional(ENDPOINTS, layer.ENDPOINTS)
        if layer.ENDPOINTS in kinds:
            every = self._wish.backend == layer.ENDPOINTS
            wanted = [name for name in names if every or _foreign(services.get(name))]
            self._add_missing(held, ENDPOINTS, namespace, wanted)
            if not every:
                # Who registers otherwise need not hear that Endpoints are deprecated.
                del self._client.warnings[told:]
        groups = optional(WORKLOAD_GROUPS, layer.AUTO)
        entries = optional(WORKLOAD_ENTRIES, layer.ENTRIES, layer.AUTO, selector=None)
        accounts: Found = {}
        # Those that were made when their VMs were registered otherwise go with the VMs.
        named = any(vm.service_account != "default" for item in batch for vm in item.endpoints)
        unused = named and (self._wish.state == "absent" or (self._wish.purge and layer.SLICES in kinds))
        if self._wish.accounts and (layer.ENTRIES in kinds or layer.AUTO in kinds or unused):
            tolerant = self._wish.backend not in layer.SELECTING
            accounts = self._listed(SERVICE_ACCOUNTS, namespace, None, tolerant)
        return World(services, held, slices, entries, groups, accounts)

    def _kinds(self, services: Found, batch: list[Registration]) -> dict[str, bool]:
        """The layers to look at, and whether it is all the same if their kinds cannot be read."""
        backend = self._wish.backend
        found = {name for item in batch for name in layer.marked(services.get(item.name))}
        if any(item.plain_clients for item in batch) and backend in layer.SELECTING:
            found.add(layer.PLAIN)
        if backend == layer.ENDPOINTS and found - {layer.ENDPOINTS}:
            # A move that leads over slices.
            found.add(layer.SLICES)
        needed = {backend, *found}
        if backend in layer.SELECTING:
            # What a run that was cut has left; and a group that stayed while a sidecar was connected as its member.
            found |= {layer.PLAIN, layer.AUTO}
        elif any(_selects(services.get(item.name)) for item in batch):
            # What istiod has registered itself may be behind it.
            found |= {layer.ENTRIES, layer.AUTO}
        if backend != layer.ENDPOINTS and any(_unknown(services.get(item.name)) for item in batch):
            # Nothing says how the VMs behind it were registered before.
            found |= {layer.ENDPOINTS, layer.SLICES, layer.ENTRIES, layer.AUTO, layer.PLAIN}
        return {name: name not in needed for name in {backend, *found}}

    def _listed(self, resource: Resource, namespace: str, selector: str | None, tolerant: bool = False) -> Found:
        try:
            items = self._client.list(resource, namespace, selector)
        except KubeForbidden:
            if tolerant:
                return {}
            raise
        except KubeNotFound as exc:
            if tolerant:
                return {}
            raise RegistrationError(
                f"{exc} The API server does not know {resource.plural} of {resource.api_version}. Install the "
                "definitions of Istio, or register with another backend."
            ) from exc
        return {item["metadata"]["name"]: _slim(resource, item) for item in items}

    def _add_missing(self, found: Found, resource: Resource, namespace: str, names: t.Iterable[str]) -> None:
        """Objects of others carry no label of ours."""
        for name in names:
            if name not in found:
                item = self._client.get(resource, namespace, name)
                if item is not None:
                    found[name] = _slim(resource, item)


def _slim(resource: Resource, item: dict[str, t.Any]) -> dict[str, t.Any]:
    """Items of a list do not say what they are, and who owns which field is as much again as all that is of use: the
    server keeps it when it is left out of an update."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _selects(service: t.Mapping[str, t.Any] | None) -> bool:
    return service is not None and is_ours(dict(service)) and bool((service.get("spec") or {}).get("selector"))


def _foreign(service: t.Mapping[str, t.Any] | None) -> bool:
    return service is not None and not is_ours(dict(service))


def _unknown(service: t.Mapping[str, t.Any] | None) -> bool:
    return service is None or not is_ours(dict(service))


def _what(namespace: str, batch: t.Sequence[Registration]) -> str:
    if len(batch) > 3:
        return f"{len(batch)} Services in namespace {namespace}"
    return ", ".join(item.label for item in batch)
