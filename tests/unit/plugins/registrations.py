# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registrations against the API server in memory, for the tests of all backends."""

from __future__ import annotations

from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    Resource,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    Registration,
    parse_registrations,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

Json = dict[str, Any]
CARRIERS = (ENDPOINTS, ENDPOINT_SLICES, WORKLOAD_ENTRIES, WORKLOAD_GROUPS)
UNREAD = "multicluster.kubernetes.io/service-name"
VM1 = {"address": "192.168.0.81", "host": "vm1"}
VM2 = {"address": "192.168.0.82", "host": "vm2"}


def service(*endpoints: Json, name: str = "web", ports: Any = ("http:9080",), **more: Any) -> Json:
    return {"name": name, "ports": list(ports), "endpoints": list(endpoints), **more}


def batch(backend: str, *services: Json, state: str = "present") -> list[Registration]:
    return parse_registrations(services, state == "present", backend)


def run(
    store: FakeStore,
    backend: str,
    *services: Json,
    state: str = "present",
    purge: bool = False,
    accounts: bool = True,
    prepare: bool = False,
    before_write: Any = None,
    waits: list[float] | None = None,
) -> Registrar:
    wish = Wish(state, backend, purge, accounts, prepare)
    sleep = (lambda _seconds: None) if waits is None else waits.append
    registrar = Registrar(FakeKube(store, before_write), wish, sleep=sleep)
    registrar.apply("default", batch(backend, *services, state=state))
    return registrar


def cut_after(writes: int) -> Any:
    """The API server goes away after so many writes."""
    left = [writes]

    def before_write(_action: str, _key: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KubeUnreachable("the API server has gone")

    return before_write


def plan(store: FakeStore, backend: str, *services: Json, state: str = "present", purge: bool = False) -> Any:
    registrar = Registrar(FakeKube(store), Wish(state, backend, purge))
    return registrar.plan("default", batch(backend, *services, state=state))


def objects(store: FakeStore, resource: Resource) -> dict[str, Json]:
    return {name: body for (plural, _ns, name), body in sorted(store.objects.items()) if plural == resource.plural}


def one(store: FakeStore, resource: Resource) -> Json:
    (body,) = objects(store, resource).values()
    return body


def kinds(store: FakeStore) -> set[str]:
    return {body["kind"] for body in store.objects.values()}


def carried(store: FakeStore, name: str = "web") -> dict[str, set[str]]:
    """What carries which address of a Service, read without any code of the product."""
    found: dict[str, set[str]] = {}

    def add(layer: str, address: str, port: Any) -> None:
        found.setdefault(layer, set()).add(f"{address}:{port}")

    for subset in (objects(store, ENDPOINTS).get(name) or {}).get("subsets") or []:
        for address in subset.get("addresses") or []:
            for port in subset["ports"]:
                add("endpoints", address["ip"], port["port"])
    for body in objects(store, ENDPOINT_SLICES).values():
        labels = body["metadata"]["labels"]
        if labels["kubernetes.io/service-name"] == name:
            for endpoint in body["endpoints"]:
                for port in body["ports"]:
                    add(
                        "plain_clients" if UNREAD in labels else "endpoint_slice",
                        endpoint["addresses"][0],
                        port["port"],
                    )
    front = (objects(store, SERVICES).get(name) or {}).get("spec") or {}
    selector, names = front.get("selector") or {}, [port["name"] for port in front.get("ports") or []]
    for body in objects(store, WORKLOAD_ENTRIES).values():
        spec = body["spec"]
        if selector and selector.items() <= spec["labels"].items():
            written = "istio.io/autoRegistrationGroup" in (body["metadata"].get("annotations") or {})
            for port in [number for key, number in spec["ports"].items() if key in names]:
                add("auto" if written else "workload_entry", spec["address"], port)
    return found


def istiod_registers(store: FakeStore, group: str, address: str, connected: bool = True) -> None:
    """What istiod does when a VM's sidecar connects, or has gone."""
    spec = objects(store, WORKLOAD_GROUPS)[group]["spec"]
    annotations = {"istio.io/autoRegistrationGroup": group}
    annotations["istio.io/connectedAt" if connected else "istio.io/disconnectedAt"] = "2026-11-27T00:00:00Z"
    labels = spec["metadata"]["labels"]
    body = {
        "metadata": {"name": f"{group}-{address}", "annotations": annotations, "labels": labels},
        "spec": {**spec["template"], "address": address, "labels": labels},
    }
    store.put(WORKLOAD_ENTRIES, "default", body)


def istiod_forgets(store: FakeStore, group: str, address: str) -> None:
    del store.objects[(WORKLOAD_ENTRIES.plural, "default", f"{group}-{address}")]
