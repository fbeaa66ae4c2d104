# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that preflight asks for are those that a registration uses."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Registrar
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.rights import needed

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.registrations import VM1, VM2, batch, istiod_forgets, istiod_registers, service


class Limited(FakeKube):
    """Refuses what is not granted; remembers what was used."""

    def __init__(self, store, granted):
        super().__init__(store)
        self.granted, self.used = granted, set()

    def _may(self, verb, resource):
        right = (resource.group, resource.plural, verb)
        if right not in self.granted:
            raise KubeForbidden(f"{right} is not granted")
        self.used.add(right)

    def get(self, resource, *rest):
        self._may("get", resource)
        return super().get(resource, *rest)

    def list(self, resource, *rest, **more):
        self._may("list", resource)
        return super().list(resource, *rest, **more)

    def create(self, resource, *rest):
        self._may("create", resource)
        return super().create(resource, *rest)

    def replace(self, resource, *rest):
        self._may("update", resource)
        return super().replace(resource, *rest)

    def delete(self, resource, *rest, **more):
        self._may("delete", resource)
        return super().delete(resource, *rest, **more)


@pytest.mark.parametrize("backend", ["endpoints", "endpoint_slice", "workload_entry", "auto"])
@pytest.mark.parametrize("plain_clients", [False, True])
def test_exactly_these_rights_are_used(backend, plain_clients):
    granted = {(group, resource, verb) for group, resource, verbs in needed(backend, plain_clients) for verb in verbs}
    client = Limited(FakeStore(), granted)
    plain = {"plain_clients": plain_clients}
    first, second = {**VM1, "service_account": "web"}, {**VM2, "service_account": "web"}
    steps = [
        ("present", service(first, **plain)),
        ("present", service(first, second, ports=["http:9080", "grpc:9443"], **plain)),
        ("present", service(first, second, **plain)),
        ("absent", service(first, **plain)),
        ("absent", service(second, **plain)),
    ]
    for step, (state, item) in enumerate(steps):
        registrar = Registrar(client, Wish(state, backend), sleep=lambda _seconds: None)
        registrar.apply("default", batch(backend, item, state=state))
        if backend == "auto" and step == 0:
            istiod_registers(client.store, "web", VM1["address"])
        if backend == "auto" and step == 2:
            # With its sidecar connected the group would stay.
            istiod_forgets(client.store, "web", VM1["address"])
    assert client.store.objects == {}
    assert client.used == granted
