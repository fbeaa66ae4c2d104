# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that no WorkloadGroup speaks of."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import WORKLOAD_ENTRIES, WORKLOAD_GROUPS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.group import WorkloadGroup
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.workload import of_services
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.hosts import registrations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import MEMBER_LABEL

from tests.unit.plugins.fake_kube import FakeStore
from tests.unit.plugins.registrations import one, run

WEB = {"name": "web", "port": 9080, "protocol": "http"}
STOCK = {"name": "stock", "port": 9443, "protocol": "grpc", "port_name": "grpc-stock", "selector": {"app": "stock"}}
MORE = {"network": "vms", "labels": {"version": "v1"}}


def workload(*services: t.Any, **more: t.Any) -> WorkloadGroup:
    return of_services("vm1", "default", {"services": list(services), "service_account": "web", **more})


def batch(backend: str) -> list[dict[str, t.Any]]:
    host = {"name": "vm1", "address": "192.168.0.81", "services": [WEB, STOCK], "workload": MORE}
    return registrations([host], "default", "web", backend=backend)


def own(labels: t.Mapping[str, str]) -> dict[str, str]:
    """Without those that Services select by, which make istiod do more than is wanted when no entry is there."""
    return {name: value for name, value in labels.items() if not name.startswith(f"{MEMBER_LABEL}/")}


def test_it_is_what_its_group_would_be() -> None:
    store = FakeStore()
    run(store, "auto", *batch("auto"))
    group = WorkloadGroup.parse(one(store, WORKLOAD_GROUPS))
    found = workload(WEB, STOCK, **MORE)
    for name in ("namespace", "service_account", "network", "ports"):
        assert getattr(found, name) == getattr(group, name), name
    assert found.labels == own(group.labels) != group.labels
    # A selector that the inventory gives is what the VM is.
    assert found.labels["app"] == "stock"
    # Of its health nobody is told who would do something about it.
    assert (found.name, found.probe) == ("vm1", None)


def test_it_is_what_its_entry_is() -> None:
    store = FakeStore()
    run(store, "workload_entry", *batch("workload_entry"))
    spec = one(store, WORKLOAD_ENTRIES)["spec"]
    found = workload(WEB, STOCK, **MORE)
    assert (dict(found.labels), dict(found.ports)) == (own(spec["labels"]), spec["ports"])


def test_services_that_contradict_each_other() -> None:
    other = {**WEB, "name": "other", "selector": {"version": "v2"}}
    with pytest.raises(BootstrapError, match="vm1: its Services ask for label version 'v2' and 'v1'"):
        workload(other, labels={"version": "v1"})
    with pytest.raises(BootstrapError, match="mesh_vm_services entry 1: it has no port"):
        workload({"name": "web", "protocol": "http"})


def test_without_services_it_is_a_client_only() -> None:
    found = workload()
    assert (dict(found.labels), dict(found.ports), found.service_account) == ({}, {}, "web")
