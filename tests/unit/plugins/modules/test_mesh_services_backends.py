# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of type LoadBalancer that need no controller, and the way from one backend to the other and back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeDenied
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import backends
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.model import ExposureError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.work import Exposer

from tests.unit.plugins.fake_kube import FakeKube, FakeStore
from tests.unit.plugins.modules.test_mesh_services import PARAMS, VIP, entry, run

WEB = ("services", "web", "web-lb")
STATUS = {"loadBalancer": {"ingress": [{"ip": VIP, "ipMode": "VIP"}]}}
WAIT = "wait 5 s for the nodes"


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


def expose(store: FakeStore, backend: str, **options: Any) -> Any:
    return run(store, services=[entry()], backend=backend, **options)


def test_a_load_balancer_without_node_ports_and_with_its_status(store: FakeStore) -> None:
    predicted = expose(store, "load_balancer", check_mode=True)
    assert store.objects == {}
    done = expose(store, "load_balancer")
    assert done.result == predicted.result
    assert done.exposer.written == ["create Service web/web-lb", "status Service web/web-lb"]
    spec = store.objects[WEB]["spec"]
    assert (spec["type"], spec["loadBalancerClass"]) == ("LoadBalancer", "mesh.expansion/director")
    assert spec["allocateLoadBalancerNodePorts"] is False
    assert "externalIPs" not in spec
    assert store.objects[WEB]["status"] == STATUS
    writes = len(store.writes)
    again = expose(store, "load_balancer")
    assert not again.result["changed"]
    assert again.result["diff"]["before"] == again.result["diff"]["after"]
    assert len(store.writes) == writes


def test_a_status_that_somebody_changed_is_put_right(store: FakeStore) -> None:
    expose(store, "load_balancer")
    store.merge_status("web", "web-lb", {"status": {"loadBalancer": {"ingress": [{"ip": "10.9.9.9"}]}}})
    done = expose(store, "load_balancer")
    assert done.exposer.written == ["status Service web/web-lb"]
    assert store.objects[WEB]["status"] == STATUS


@pytest.mark.parametrize(("before", "after"), [("external_ips", "load_balancer"), ("load_balancer", "external_ips")])
def test_the_change_answers_by_both_ways_until_the_nodes_have_followed(
    store: FakeStore, before: str, after: str
) -> None:
    fresh = FakeStore()
    expose(fresh, after)
    expose(store, before)
    slept: list[tuple[float, dict[str, Any]]] = []
    client = FakeKube(store)
    params = {**PARAMS, "services": [entry()], "backend": after}

    def sleep(seconds: float) -> None:
        slept.append((seconds, dict(store.objects[WEB])))

    exposer = Exposer(client, params, sleep=sleep)
    exposer.apply(exposer.plan())
    ((seconds, meanwhile),) = slept
    assert seconds == backends.SETTLE_SECONDS
    assert meanwhile["spec"]["externalIPs"] == [VIP]
    assert meanwhile["spec"]["type"] == "LoadBalancer"
    assert meanwhile["status"] == STATUS
    assert store.objects[WEB]["spec"] == fresh.objects[WEB]["spec"]
    assert store.objects[WEB].get("status") == fresh.objects[WEB].get("status")
    assert not expose(store, after).result["changed"]


def test_a_change_that_was_cut_is_completed(store: FakeStore) -> None:
    expose(store, "external_ips")

    class Cut(Exception):
        pass

    def cut(_seconds: float) -> None:
        raise Cut

    params = {**PARAMS, "services": [entry()], "backend": "load_balancer"}
    exposer = Exposer(FakeKube(store), params, sleep=cut)
    with pytest.raises(Cut):
        exposer.apply(exposer.plan())
    done = expose(store, "load_balancer")
    assert done.result["operations"] == [WAIT, "apply Service web/web-lb"]
    assert "externalIPs" not in store.objects[WEB]["spec"]


def test_nothing_is_taken_away_when_the_new_way_is_refused(store: FakeStore) -> None:
    expose(store, "external_ips")
    before = dict(store.objects[WEB])

    def refuse(action: str, _key: Any) -> None:
        raise KubeDenied(f"{action} is not allowed")

    with pytest.raises(ExposureError, match="not allowed"):
        expose(store, "load_balancer", before_write=refuse)
    assert store.objects[WEB] == before


@pytest.mark.parametrize(
    ("backend", "version", "chosen"),
    [
        ("auto", "v1.36.3", "load_balancer"),
        ("auto", "v1.30.0-eks-1", "load_balancer"),
        ("auto", "v1.29.9", "external_ips"),
        ("auto", "unknown", "external_ips"),
        ("external_ips", "v1.36.3", "external_ips"),
    ],
)
def test_auto_is_what_the_api_serves(backend: str, version: str, chosen: str) -> None:
    assert backends.choose(backend, version) == chosen


def test_auto_asks_the_server(store: FakeStore) -> None:
    client = FakeKube(store)
    client.version = "v1.36.3"
    exposer = Exposer(client, {**PARAMS, "services": [entry()], "backend": "auto"})
    exposer.apply(exposer.plan())
    assert store.objects[WEB]["spec"]["type"] == "LoadBalancer"
