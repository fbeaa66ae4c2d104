# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeDenied
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import SERVICES
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import exposed_services, trial
from ansible_collections.mesh.expansion.plugins.modules import kube_access_info

from tests.unit.plugins.fake_kube import FakeKube

VIP = "192.0.2.62"


def exposure(**changes: Any) -> dict[str, Any]:
    services = exposed_services("istiod", vm_to_pods=True, network="pods")
    return {"vip": VIP, "services": services, "backend": "external_ips", "adopt": False, **changes}


def denied(_action: str, _key: Any) -> None:
    raise KubeDenied("Cannot apply Service istiod-lb: Use of external IPs is denied by admission control.")


def test_a_cluster_that_takes_the_services_is_not_changed() -> None:
    client = FakeKube()
    assert trial.refusal(client, exposure()) == ""
    assert [action for action, _key in client.dry_runs] == ["apply", "apply"]
    assert (client.store.writes, client.store.objects) == ([], {})


def test_what_admission_refuses_is_said_with_the_way_out() -> None:
    text = trial.refusal(FakeKube(before_write=denied), exposure())
    assert "denied by admission control" in text
    assert f"allow {VIP} there" in text


def test_a_service_of_somebody_else_is_in_the_way_unless_it_is_taken_over() -> None:
    client = FakeKube()
    client.store.put(SERVICES, "istio-system", {"metadata": {"name": "istiod-lb"}, "spec": {"ports": [{"port": 1}]}})
    assert "Already in the cluster" in trial.refusal(client, exposure())
    assert trial.refusal(client, exposure(adopt=True)) == ""


def test_a_label_that_is_missing_is_said_elsewhere() -> None:
    client = FakeKube()
    assert trial.refusal(client, exposure(services=exposed_services("istiod", vm_to_pods=True))) == ""
    assert client.dry_runs == []


def test_without_a_right_on_services_nothing_is_tried() -> None:
    client = FakeKube(before_write=denied)
    client.allowed = lambda verb, **_rest: verb != "patch"
    right = {"verbs": ["patch"], "resource": "services", "subresource": "", "group": "", "namespace": "x", "name": ""}
    answers = kube_access_info.inspect(client, [right], [], [], exposure())
    assert (answers["refused"], answers["claimed"]) == ("", [])
    client.allowed = lambda **_attributes: True
    client.store.put(SERVICES, "istio-system", service("198.51.100.7", "balancer"))
    for backend, claimed in (("external_ips", 0), ("load_balancer", 1), ("auto", 1)):
        answers = kube_access_info.inspect(client, [right], [], [], exposure(backend=backend, adopt=True))
        assert len(answers["claimed"]) == claimed
    assert "denied by admission" in answers["refused"]


def service(address: str, manager: str) -> dict[str, Any]:
    status = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    fields = [
        {"manager": "kube-controller-manager", "fieldsV1": {"f:status": {"f:conditions": {}}}, "subresource": "status"},
        {"manager": manager, "fieldsV1": status, "subresource": "status"},
    ]
    return {
        "metadata": {"name": "istiod-lb", "namespace": "istio-system", "managedFields": fields},
        "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
    }


@pytest.mark.parametrize(
    ("address", "manager", "claimed"),
    [
        (VIP, "mesh.expansion", False),
        # Of a virtual address that moves.
        ("192.0.2.61", "mesh.expansion", False),
        # Whoever has put it right.
        (VIP, "kubectl-patch", False),
        ("198.51.100.7", "balancer", True),
    ],
)
def test_who_says_to_be_the_load_balancer(address: str, manager: str, claimed: bool) -> None:
    client = FakeKube()
    client.store.put(SERVICES, "istio-system", service(address, manager))
    wanted = {"namespace": "istio-system", "name": "istiod-lb", "addresses": [address], "managers": [manager]}
    assert trial.claims(client, exposure()) == ([wanted] if claimed else [])
