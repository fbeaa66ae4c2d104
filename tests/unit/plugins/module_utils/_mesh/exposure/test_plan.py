# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done about the Services in the cluster, and who owns their fields."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import (
    ExposureError,
    exposed_services,
    exposure_manifests,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.ownership import (
    ownership,
    wanted_fields,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.plan import (
    missing,
    plan_absent,
    plan_present,
)

OWN = {"name": "web-lb", "namespace": "web", "selector": {"app": "web"}, "ports": [{"port": 443}]}
VIP = "192.168.0.62"
# As an API server (1.36) shows it after the apply of this Service.
MANAGED = [
    {
        "manager": "mesh.expansion",
        "operation": "Apply",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": {"f:labels": {"f:app.kubernetes.io/component": {}, "f:app.kubernetes.io/managed-by": {}}},
            "f:spec": {
                "f:externalIPs": {},
                "f:ports": {
                    'k:{"port":443,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}},
                },
                "f:selector": {},
                "f:type": {},
            },
        },
    }
]


def wanted(**changes):
    return exposure_manifests(exposed_services("secure", services=[{**OWN, **changes}]), VIP)


def live(others=(), **spec):
    (service,) = copy.deepcopy(wanted())
    service["metadata"].update(managedFields=copy.deepcopy([*MANAGED, *others]), resourceVersion="7", uid="u")
    service["spec"].update(clusterIP="10.233.1.1", **spec)
    return service


def owned_by(manager, fields, operation="Update", **extra):
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}, **extra}


def does(plan):
    return [str(operation) for operation in plan.operations]


def test_nothing_to_do():
    plan = plan_present(wanted(), [live()])
    assert plan.operations == []
    assert plan.before == plan.after


def test_the_fields_of_a_manifest_are_those_that_an_apply_makes_ours():
    assert ownership(live()).ours == wanted_fields(*wanted())


def test_missing():
    assert missing(wanted(), []) == [("web", "web-lb")]
    assert missing(wanted(), [live()]) == []
    plan = plan_present(wanted(), [])
    assert does(plan) == ["create Service web/web-lb"]
    assert plan.operations[0].body == wanted()[0]
    assert (plan.before, list(plan.after)) == ({}, ["Service web/web-lb"])


@pytest.mark.parametrize("labels", [None, {}, {"app": "web"}, {"app.kubernetes.io/managed-by": "mesh.expansion"}])
def test_a_service_without_our_labels_is_refused(labels):
    service = live()
    service["metadata"]["labels"] = labels
    with pytest.raises(ExposureError, match=r"not made from .*: Service web/web-lb\. .*exposure_adopt: true"):
        plan_present(wanted(), [service])


def test_an_adopted_service_loses_what_does_not_fit_before_ours_is_applied():
    service = live(ports=[{"port": 80, "protocol": "TCP"}], selector={"app": "web", "tier": "x"})
    service["metadata"]["labels"] = {"app": "web"}
    service["metadata"]["managedFields"] = []
    plan = plan_present(wanted(), [service], adopt=True)
    assert does(plan) == ["patch Service web/web-lb", "apply Service web/web-lb"]
    assert plan.operations[0].body == {"spec": {"ports": wanted()[0]["spec"]["ports"], "selector": {"tier": None}}}
    after = plan.after["Service web/web-lb"]
    assert after["spec"] == {**wanted()[0]["spec"], "clusterIP": "10.233.1.1"}
    assert after["metadata"]["labels"].items() >= {"app": "web", **wanted()[0]["metadata"]["labels"]}.items()


def test_what_is_no_longer_in_the_list_is_deleted_after_the_rest():
    old = live()
    old["metadata"]["namespace"] = "old"
    assert does(plan_present(wanted(), [old])) == ["create Service web/web-lb", "delete Service old/web-lb"]


def test_what_is_not_ours_is_never_deleted():
    theirs = live()
    theirs["metadata"].update(namespace="old", labels={"app": "web"})
    assert does(plan_present(wanted(), [live(), theirs])) == []
    assert does(plan_absent([theirs, live()])) == ["delete Service web/web-lb"]


@pytest.mark.parametrize(
    "spec",
    [
        {"externalIPs": ["192.168.0.99"]},
        {"externalIPs": None},
        {"type": "NodePort"},
        {"selector": {"app": "other"}},
        {"selector": {"app": "web", "tier": "x"}},
        {"ports": []},
        {"ports": [{"port": 443, "protocol": "TCP", "targetPort": 1}]},
    ],
)
def test_a_value_that_somebody_changed_is_applied_again(spec):
    plan = plan_present(wanted(), [live(**spec)])
    assert does(plan) == ["apply Service web/web-lb"]
    assert plan.after["Service web/web-lb"]["spec"] == {**wanted()[0]["spec"], "clusterIP": "10.233.1.1"}


def test_a_label_that_we_no_longer_want_is_taken_out_by_an_apply():
    service = live()
    service["metadata"]["labels"]["team"] = "a"
    assert does(plan_present(wanted(), [service])) == []
    fields = service["metadata"]["managedFields"][0]["fieldsV1"] = copy.deepcopy(MANAGED[0]["fieldsV1"])
    fields["f:metadata"]["f:labels"]["f:team"] = {}
    plan = plan_present(wanted(), [service])
    assert does(plan) == ["apply Service web/web-lb"]
    assert "team" not in plan.after["Service web/web-lb"]["metadata"]["labels"]


def test_a_port_of_ours_that_we_no_longer_want_is_taken_out_by_the_apply_alone():
    (manifest,) = wanted(ports=[{"port": 444}])
    assert does(plan_present([manifest], [live()])) == ["apply Service web/web-lb"]


def test_unless_somebody_else_holds_it_too():
    (manifest,) = wanted(ports=[{"port": 444}])
    others = [owned_by("x", {"f:ports": {'k:{"port":443,"protocol":"TCP"}': {"f:port": {}}}})]
    assert does(plan_present([manifest], [live(others)])) == ["apply Service web/web-lb", "patch Service web/web-lb"]


@pytest.mark.parametrize(("port", "protocol"), [(8080, "TCP"), (443, "UDP")])
def test_a_port_that_others_added_is_taken_out(port, protocol):
    ports = [*wanted()[0]["spec"]["ports"], {"port": port, "protocol": protocol, "name": "x"}]
    others = [owned_by("x", {"f:ports": {f'k:{{"port":{port},"protocol":"{protocol}"}}': {"f:port": {}}}})]
    plan = plan_present(wanted(), [live(others, ports=ports)])
    assert does(plan) == ["patch Service web/web-lb"]
    assert plan.operations[0].body == {"spec": {"ports": wanted()[0]["spec"]["ports"]}}


def test_a_selector_key_that_others_added_where_each_key_has_an_owner():
    service = live([owned_by("x", {"f:selector": {"f:tier": {}}})], selector={"app": "web", "tier": "x"})
    plan = plan_present(wanted(), [service])
    assert does(plan) == ["apply Service web/web-lb", "patch Service web/web-lb"]
    assert plan.operations[1].body == {"spec": {"selector": {"tier": None}}}


def test_a_status_or_an_update_of_our_name_is_not_our_apply():
    for entry in (
        owned_by("mesh.expansion", {"f:type": {}}),
        owned_by("mesh.expansion", {"f:type": {}}, "Apply", subresource="status"),
    ):
        service = live([entry])
        assert does(plan_present(wanted(), [service])) == []
        service["metadata"]["managedFields"] = [entry]
        assert does(plan_present(wanted(), [service])) == ["apply Service web/web-lb"]


def test_the_diff_shows_no_bookkeeping():
    service = live(externalIPs=[])
    service["metadata"]["annotations"] = {"a": "b"}
    plan = plan_present(wanted(), [service])
    for shown in (plan.before, plan.after):
        assert set(shown["Service web/web-lb"]["metadata"]) == {"name", "namespace", "labels", "annotations"}
