# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The label of the pods' network: set, found again, refused where it says something else, taken away."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import DEPLOYMENTS, NAMESPACES
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.network_labels import NetworkLabelError
from ansible_collections.mesh.expansion.plugins.modules import istio_network_labels as module

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

LABEL = "topology.istio.io/network"
PARAMS: dict[str, Any] = {
    "state": "present",
    "network": "pods",
    "namespace": "istio-system",
    "gateway": {"istio": "eastwestgateway"},
}


def deployment(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"template": {"metadata": {"labels": labels}}}}


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    made.put(NAMESPACES, "", {"metadata": {"name": "istio-system", "labels": {"team": "mesh"}}})
    made.put(DEPLOYMENTS, "istio-system", deployment("istiod", app="istiod"))
    made.put(DEPLOYMENTS, "istio-system", deployment("gateway", app="gateway", istio="eastwestgateway"))
    return made


def run(store: FakeStore, **params: Any) -> list[str]:
    client, wanted, written = FakeKube(store), {**PARAMS, **params}, []
    module.apply(client, wanted, module.plan(client, wanted), written)
    return written


def content(store: FakeStore) -> dict[Any, Any]:
    found = copy.deepcopy(store.objects)
    for body in found.values():
        del body["metadata"]["resourceVersion"]
        body["metadata"].pop("generation", None)
        if not body["metadata"].get("annotations", True):
            del body["metadata"]["annotations"]
    return found


def labels(store: FakeStore) -> tuple[Any, Any, Any]:
    namespace = store.objects["namespaces", "", "istio-system"]["metadata"]["labels"].get(LABEL)
    pods = [
        store.objects["deployments", "istio-system", name]["spec"]["template"]["metadata"]["labels"].get(LABEL)
        for name in ("gateway", "istiod")
    ]
    return (namespace, *pods)


def test_both_are_labelled_and_the_next_run_has_nothing_to_do(store: FakeStore) -> None:
    assert run(store) == ["label Namespace istio-system", "label Deployment gateway"]
    assert labels(store) == ("pods", "pods", None)
    assert run(store) == []


def test_what_was_set_is_taken_away_again(store: FakeStore) -> None:
    before = content(store)
    run(store)
    assert run(store, state="absent") == ["unlabel Namespace istio-system", "unlabel Deployment gateway"]
    assert content(store) == before
    assert run(store, state="absent") == []


def test_a_label_of_the_owner_stays(store: FakeStore) -> None:
    store.objects["namespaces", "", "istio-system"]["metadata"]["labels"][LABEL] = "pods"
    assert run(store) == ["label Deployment gateway"]
    assert run(store, state="absent") == ["unlabel Deployment gateway"]
    assert labels(store) == ("pods", None, None)


def test_a_label_that_somebody_changed_since_stays(store: FakeStore) -> None:
    run(store)
    store.objects["namespaces", "", "istio-system"]["metadata"]["labels"][LABEL] = "other"
    run(store, state="absent")
    assert labels(store) == ("other", None, None)


def test_our_own_name_may_change(store: FakeStore) -> None:
    run(store)
    run(store, network="cluster-1")
    assert labels(store) == ("cluster-1", "cluster-1", None)


def test_another_network_is_refused(store: FakeStore) -> None:
    store.objects["namespaces", "", "istio-system"]["metadata"]["labels"][LABEL] = "other"
    with pytest.raises(NetworkLabelError, match="Namespace istio-system has the label .*=other.* Set mesh_network to"):
        run(store)
    assert store.writes == []


def test_without_a_gateway_there_is_nothing_to_label(store: FakeStore) -> None:
    with pytest.raises(NetworkLabelError, match="No Deployment in namespace istio-system has pods with .* Install an"):
        run(store, gateway={"istio": "other"})


def test_a_change_in_between_is_read_again(store: FakeStore) -> None:
    left = [1]

    def somebody_else(_action: str, key: Any) -> None:
        if left[0]:
            left[0] -= 1
            store.version += 1
            store.objects[key]["metadata"]["resourceVersion"] = str(store.version)

    client, written = FakeKube(store, somebody_else), []
    module.apply(client, PARAMS, module.plan(client, PARAMS), written)
    assert written == ["label Namespace istio-system", "label Deployment gateway"]
    assert labels(store) == ("pods", "pods", None)
