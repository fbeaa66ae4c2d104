# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module mesh_services against a fake API that keeps owners of fields as server-side apply does."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeConflict,
    KubeDenied,
    KubeForbidden,
    KubeServerError,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import NAMESPACES
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import (
    ExposureError,
    exposed_services,
    exposure_manifests,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.work import Exposer
from ansible_collections.mesh.expansion.plugins.modules.mesh_services import describe

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

VIP = "192.168.0.62"
REFERENCE = exposed_services("reference")
PARAMS = {"state": "present", "vip": VIP, "services": REFERENCE, "backend": "external_ips", "adopt": False}
PILOT = ("services", "istio-system", "istio-pilot-lb")


class Run:
    """One execution of the module."""

    def __init__(self, store, check_mode=False, before_write=None, **changes):
        self.client = FakeKube(store, before_write)
        self.exposer = Exposer(self.client, {**PARAMS, **changes}, check_mode, sleep=lambda _seconds: None)
        self.plan = self.exposer.plan()
        self.result = describe(self.plan)

    def apply(self):
        self.exposer.apply(self.plan)
        return self


def run(store, **options):
    return Run(store, **options).apply()


def entry(name="web-lb", **changes):
    base = {"name": name, "namespace": "web", "selector": {"app": "web"}, "ports": [{"port": 443, "name": "https"}]}
    return exposed_services("secure", services=[{**base, **changes}])[0]


def spec(store, key=PILOT):
    return store.objects[key]["spec"]


@pytest.fixture
def store():
    return FakeStore()


def test_check_run_check_run(store):
    predicted = run(store, check_mode=True)
    assert store.objects == {}
    assert [action for action, _key in predicted.client.dry_runs] == ["apply"] * 4
    done = run(store)
    assert done.result == predicted.result
    assert done.result["changed"]
    assert done.exposer.written == done.result["operations"]
    assert sorted(done.exposer.written) == [
        "create Service istio-system/istio-citadel-lb",
        "create Service istio-system/istio-mixer-lb",
        "create Service istio-system/istio-pilot-lb",
        "create Service kube-system/kube-dns-lb",
    ]
    for manifest in exposure_manifests(REFERENCE, VIP):
        stored = store.objects[("services", manifest["metadata"]["namespace"], manifest["metadata"]["name"])]
        assert stored["metadata"]["labels"] == manifest["metadata"]["labels"]
        assert stored["spec"] == {**manifest["spec"], "clusterIP": "10.233.1.1"}
    version = store.version
    again = run(store, check_mode=True)
    assert not again.result["changed"]
    assert again.client.dry_runs == []
    again = run(store)
    assert not again.result["changed"]
    assert again.result["diff"]["before"] == again.result["diff"]["after"]
    # No request at all, and so no new version.
    assert len(store.writes) == 4
    assert store.version == version


def test_another_list(store):
    run(store)
    done = run(store, services=exposed_services("secure"))
    assert done.exposer.written == [
        "apply Service kube-system/kube-dns-lb",
        "apply Service istio-system/istio-pilot-lb",
    ]
    assert [port["port"] for port in spec(store)["ports"]] == [15005, 15011]
    assert not run(store, services=exposed_services("secure")).result["changed"]


def test_absent_removes_what_is_ours_in_all_namespaces(store):
    run(store, services=[entry()])
    store.server_side_apply("web", {"metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 1}]}}, False, "helm")
    check = run(store, check_mode=True, state="absent", vip=None, services=None)
    assert check.client.dry_runs == [("delete", ("services", "web", "web-lb"))]
    done = run(store, state="absent", vip=None, services=None)
    assert done.exposer.written == check.result["operations"] == ["delete Service web/web-lb"]
    assert list(store.objects) == [("services", "web", "theirs")]
    assert not run(store, state="absent", vip=None, services=None).result["changed"]


def test_a_service_of_others_is_refused_before_anything_is_written(store):
    store.server_side_apply("istio-system", {"metadata": {"name": PILOT[2]}, "spec": {"type": "NodePort"}}, False, "x")
    with pytest.raises(ExposureError, match="Service istio-system/istio-pilot-lb"):
        run(store)
    assert store.writes == []


@pytest.mark.parametrize("selector_by_key", [False, True])
def test_a_service_of_others_is_adopted(store, selector_by_key):
    store.selector_by_key = selector_by_key
    theirs = {
        "metadata": {"name": PILOT[2], "labels": {"team": "a"}},
        # An unnamed port does not fit beside ours.
        "spec": {
            "type": "NodePort",
            "selector": {"istio": "other", "tier": "x"},
            "ports": [{"port": 80, "nodePort": 30080}],
        },
    }
    store.server_side_apply("istio-system", theirs, False, "helm")
    check = run(store, check_mode=True, adopt=True)
    assert ("patch", PILOT) in check.client.dry_runs
    assert ("apply", PILOT) not in check.client.dry_runs
    done = run(store, adopt=True)
    assert done.result == check.result
    (manifest,) = [item for item in exposure_manifests(REFERENCE, VIP) if item["metadata"]["name"] == PILOT[2]]
    assert spec(store) == {**manifest["spec"], "clusterIP": "10.233.1.1"}
    assert store.objects[PILOT]["metadata"]["labels"] == {"team": "a", **manifest["metadata"]["labels"]}
    assert not run(store).result["changed"]


def test_after_an_adoption_the_list_can_change_without_another_one(store):
    """The patch of the adoption makes values ours by another operation than the apply: a conflict with ourselves."""
    store.server_side_apply("web", {"metadata": {"name": "web-lb"}, "spec": {"ports": [{"port": 80}]}}, False, "helm")
    run(store, services=[entry()], adopt=True)
    changed = entry(ports=[{"port": 443, "name": "https", "target_port": 8443}])
    assert run(store, services=[changed]).exposer.written == ["apply Service web/web-lb"]
    assert spec(store, ("services", "web", "web-lb"))["ports"][0]["targetPort"] == 8443
    assert not run(store, services=[changed]).result["changed"]


def test_a_port_that_others_added_is_taken_out(store):
    run(store)
    before = copy.deepcopy(spec(store))
    ports = [*before["ports"], {"name": "x", "port": 9999, "protocol": "TCP", "targetPort": 9999}]
    store.merge("istio-system", PILOT[2], {"spec": {"ports": ports}}, "kubectl-edit")
    assert run(store).exposer.written == ["patch Service istio-system/istio-pilot-lb"]
    assert spec(store) == before
    assert not run(store).result["changed"]


@pytest.mark.parametrize("selector_by_key", [False, True])
def test_a_selector_key_that_others_added(store, selector_by_key):
    """Where each key has an owner it is taken out; where the selector is one field it became theirs."""
    store.selector_by_key = selector_by_key
    run(store)
    store.merge("istio-system", PILOT[2], {"spec": {"selector": {"tier": "x"}}}, "kubectl-edit")
    if not selector_by_key:
        with pytest.raises(ExposureError, match=r"\.spec\.selector to kubectl-edit"):
            run(store)
    assert run(store, adopt=not selector_by_key).result["changed"]
    assert spec(store)["selector"] == {"istio": "pilot"}
    assert not run(store).result["changed"]


def test_a_port_that_others_took_out_comes_back(store):
    run(store)
    before = copy.deepcopy(spec(store))
    store.merge("istio-system", PILOT[2], {"spec": {"ports": before["ports"][:1]}}, "kubectl-edit")
    assert run(store).exposer.written == ["apply Service istio-system/istio-pilot-lb"]
    assert sorted(spec(store)["ports"], key=repr) == sorted(before["ports"], key=repr)


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_field_that_others_changed_is_refused_with_its_owner_and_the_others_are_applied(store, check_mode):
    run(store)
    store.merge("istio-system", PILOT[2], {"spec": {"externalIPs": ["192.168.0.99"]}}, "kubectl-edit")
    store.merge("kube-system", "kube-dns-lb", {"spec": {"ports": None}}, "kubectl-edit")
    store.server_side_apply("old", exposure_manifests([entry("old", namespace="old")], VIP)[0], False)
    attempt = Run(store, check_mode=check_mode)
    with pytest.raises(ExposureError) as caught:
        attempt.apply()
    told = "Another writer owns a field (.spec.externalIPs to kubectl-edit). Undo its change, or take the field over"
    assert told in str(caught.value)
    assert "exposure_adopt: true" in str(caught.value)
    # What was written is told, and nothing is removed.
    assert attempt.exposer.written == ([] if check_mode else ["apply Service kube-system/kube-dns-lb"])
    assert ("services", "old", "old") in store.objects
    done = run(store, adopt=True)
    assert "delete Service old/old" in done.exposer.written
    assert spec(store)["externalIPs"] == [VIP]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (KubeDenied, f"(admission plugin DenyServiceExternalIPs, or a policy), allow {VIP} there."),
        (KubeForbidden, ""),
    ],
)
def test_all_refusals_are_told_and_their_remedy_once(store, error, remedy):
    def refuse(_action, key):
        raise error(f"Cannot apply {key[2]}.")

    with pytest.raises(ExposureError) as caught:
        run(store, before_write=refuse)
    text = str(caught.value)
    assert [text.count(f"Cannot apply {entry['name']}.") for entry in REFERENCE] == [1, 1, 1, 1]
    assert text.endswith(remedy)
    assert text.count("DenyServiceExternalIPs") == bool(remedy)


def test_a_server_that_is_broken_is_not_asked_again(store):
    asked = []

    def fail(_action, key):
        asked.append(key)
        if len(asked) == 2:
            raise KubeServerError("Cannot apply: broken (HTTP 500).")

    attempt = Run(store, before_write=fail)
    with pytest.raises(KubeServerError):
        attempt.apply()
    assert len(asked) == 2
    assert attempt.exposer.written == ["create Service kube-system/kube-dns-lb"]


def test_a_service_that_changes_while_it_is_deleted(store):
    run(store, services=[entry("one"), entry("two", ports=[444])])
    pending = ["one", "two"]

    def interfere(_action, key):
        if key[2] in pending:
            pending.remove(key[2])
            if key[2] == "one":
                store.merge("web", "one", {"metadata": {"labels": {"x": "y"}}}, "kubectl-label")
                raise KubeConflict("changed")
            # Somebody takes it over: it is not ours any more.
            store.merge("web", "two", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "x"}}}, "kubectl-label")
            raise KubeConflict("changed")

    run(store, before_write=interfere, state="absent", vip=None, services=None)
    assert list(store.objects) == [("services", "web", "two")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"services": []}, "services is empty, so nothing would stay exposed. Use state: absent"),
        ({"vip": "vip"}, "vip (exposure_vip in the role exposure) is 'vip'; it must be an IP address"),
        ({"services": [{"name": "x"}]}, "exposed service 1 (x): namespace is missing or empty"),
    ],
)
def test_bad_input_is_refused(store, changes, message):
    with pytest.raises(ExposureError) as caught:
        run(store, **changes)
    assert message in str(caught.value)


def test_a_label_is_taken_over_from_the_namespace(store):
    wanted = [entry(inherited_labels=["topology.istio.io/network"])]
    with pytest.raises(ExposureError, match="Namespace web has no label .*network, .* kubectl label namespace web"):
        run(store, services=wanted)
    store.put(NAMESPACES, "", {"metadata": {"name": "web", "labels": {"topology.istio.io/network": "pods"}}})
    run(store, services=wanted)
    assert store.objects["services", "web", "web-lb"]["metadata"]["labels"]["topology.istio.io/network"] == "pods"
    assert not run(store, services=wanted).result["changed"]
