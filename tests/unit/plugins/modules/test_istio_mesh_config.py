# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module istio_mesh_config against a fake API."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import CONFIGMAPS, DEPLOYMENTS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.document import MeshConfigError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.work import Editor

from tests.unit.plugins.fake_kube import FakeKube, FakeStore

DOCUMENT = "# head\ndisablePolicyChecks: false\nother: 1\n"
PARAMS = {
    "state": "present",
    "settings": {"disablePolicyChecks": True},
    "absent": [],
    "remember": True,
    "name": "istio",
    "namespace": "istio-system",
    "key": "mesh",
    "deployment": None,
    "restart_timeout": 300,
}
PILOT = ("deployments", "istio-system", "istio-pilot")
FINGERPRINT = "mesh.expansion/mesh-settings"
UP = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}


@pytest.fixture
def store():
    store = FakeStore()
    body = {"metadata": {"name": "istio", "labels": {"app": "istio"}}, "data": {"mesh": DOCUMENT, "x": "y"}}
    store.put(CONFIGMAPS, "istio-system", body)
    pilot = {"metadata": {"name": "istio-pilot", "generation": 1}, "spec": {"replicas": 1}, "status": UP}
    store.put(DEPLOYMENTS, "istio-system", pilot)
    store.writes.clear()
    return store


class Time:
    """A clock that goes on while one sleeps, and a controller that lets new pods come up meanwhile."""

    def __init__(self, store, controller=True):
        self.now = 0.0
        self.slept = 0
        self.store = store
        self.controller = controller

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1
        if self.controller:
            pilot = self.store.objects[PILOT]
            status = {**UP, "observedGeneration": pilot["metadata"]["generation"]}
            self.store.put(DEPLOYMENTS, "istio-system", {**pilot, "status": status})


def run(store, check_mode=False, before_write=None, time=None, **changes):
    client = FakeKube(store, before_write)
    time = time or Time(store)
    return Editor(client, {**PARAMS, **changes}, check_mode, time.sleep, time.clock).run().report()


def fingerprint(store):
    template = store.objects[PILOT]["spec"].get("template") or {"metadata": {"annotations": {}}}
    return template["metadata"]["annotations"].get(FINGERPRINT)


def configmap(store):
    return store.objects[("configmaps", "istio-system", "istio")]


def test_check_run_check_run(store):
    assert run(store, check_mode=True)["changed"]
    assert store.writes == []
    predicted = run(store, check_mode=True)
    assert run(store) == predicted
    assert configmap(store)["data"] == {"mesh": DOCUMENT.replace("false", "true"), "x": "y"}
    version = store.version
    assert not run(store, check_mode=True)["changed"]
    again = run(store)
    assert not again["changed"]
    assert again["settings_hash"] == predicted["settings_hash"] != ""
    assert store.version == version


def test_an_edit_after_somebody_undid_the_first_has_another_fingerprint(store):
    """Pilot may have been restarted in between: it must be restarted again."""
    first = run(store)["settings_hash"]
    body = configmap(store)
    store.put(CONFIGMAPS, "istio-system", {**body, "data": {**body["data"], "mesh": DOCUMENT}})
    second = run(store)
    assert second["changed"]
    assert second["settings_hash"] not in ("", first)
    assert run(store)["settings_hash"] == second["settings_hash"]


def test_restoring_gives_the_object_back(store):
    before = configmap(store)
    run(store)
    run(store, settings={"disablePolicyChecks": True, "added": 1})
    restored = run(store, state="restored")
    assert restored["settings_hash"] == ""
    after = configmap(store)
    assert after["data"] == before["data"]
    assert not after["metadata"]["annotations"]
    assert not run(store, state="restored")["changed"]


def test_values_that_were_there_already_are_not_ours(store):
    result = run(store, settings={"disablePolicyChecks": False})
    assert not result["changed"]
    assert result["remembered"] == []
    assert result["settings_hash"] == ""


def test_without_remembering_nothing_is_recorded(store):
    result = run(store, remember=False)
    assert result["previous"] == {"disablePolicyChecks": False}
    assert "annotations" not in configmap(store)["metadata"]


def test_a_change_in_between_is_kept(store):
    pending = [1]

    def interfere(_action, _key):
        if pending:
            pending.pop()
            body = configmap(store)
            body["data"]["mesh"] += "theirs: 2\n"
            store.put(CONFIGMAPS, "istio-system", body)

    run(store, before_write=interfere)
    assert configmap(store)["data"]["mesh"] == DOCUMENT.replace("false", "true") + "theirs: 2\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "nope"}, "ConfigMap istio-system/nope does not exist"),
        ({"key": "nope"}, "ConfigMap istio-system/istio has no key nope; its keys: mesh, x"),
        ({"settings": {"other.deep": 1}}, "ConfigMap istio-system/istio, key mesh: other is no mapping"),
    ],
)
def test_errors_name_the_object(store, changes, message):
    with pytest.raises(MeshConfigError, match=message):
        run(store, **changes)


def test_the_restart_is_part_of_the_plan(store):
    wanted = {"deployment": "istio-pilot"}
    operations = ["update ConfigMap istio-system/istio", "restart Deployment istio-system/istio-pilot"]
    predicted = run(store, check_mode=True, **wanted)
    assert (predicted["operations"], store.writes) == (operations, [])
    assert FINGERPRINT in predicted["diff"][1]["after"]
    assert run(store, **wanted) == predicted
    # Pods that start before the settings are written would read the former ones.
    assert [key[0] for _action, key in store.writes] == ["configmaps", "deployments"]
    assert fingerprint(store) == predicted["settings_hash"] != ""
    version = store.version
    assert not run(store, **wanted)["changed"]
    assert store.version == version


def test_a_run_that_was_cut_before_the_restart_is_completed(store):
    run(store)
    assert fingerprint(store) is None
    done = run(store, deployment="istio-pilot")
    assert done["operations"] == ["restart Deployment istio-system/istio-pilot"]
    assert [diff["before_header"] for diff in done["diff"]] == [
        "ConfigMap istio-system/istio key mesh",
        "Deployment istio-system/istio-pilot annotations of its pods",
    ]
    assert fingerprint(store) == done["settings_hash"]


def test_settings_that_were_there_already_restart_nothing(store):
    assert run(store, settings={"disablePolicyChecks": False}, deployment="istio-pilot")["operations"] == []


def test_restoring_restarts_too(store):
    run(store, deployment="istio-pilot")
    done = run(store, state="restored", deployment="istio-pilot")
    assert done["operations"][1:] == ["restart Deployment istio-system/istio-pilot"]
    assert fingerprint(store) is None
    assert not run(store, state="restored", deployment="istio-pilot")["changed"]


def test_a_missing_deployment_is_found_before_anything_is_changed(store):
    for state in ("present", "restored"):
        with pytest.raises(MeshConfigError, match=r"Deployment istio-system/pilot2 does not exist.* Set deployment"):
            run(store, deployment="pilot2", state=state)
    assert store.writes == []


def test_a_restart_needs_the_record(store):
    with pytest.raises(MeshConfigError, match="deployment is istio-pilot, and remember is false"):
        run(store, deployment="istio-pilot", remember=False)
    assert store.writes == []


def test_a_rollout_that_does_not_finish_says_so_with_the_next_command(store):
    time = Time(store, controller=False)
    client = FakeKube(store)
    editor = Editor(client, {**PARAMS, "deployment": "istio-pilot"}, False, time.sleep, time.clock)
    with pytest.raises(MeshConfigError) as caught:
        editor.run()
    text = str(caught.value)
    assert "has not finished rolling out after 300 s: its controller has not seen its last change yet" in text
    assert "kubectl -n istio-system rollout status deployment/istio-pilot" in text
    assert len(editor.written) == 2
    # The next run waits for it, and has nothing to change.
    later = Time(store)
    assert run(store, deployment="istio-pilot", time=later)["changed"] is False
    assert later.slept == 1
    # In check mode nothing comes up by waiting.
    assert run(store, check_mode=True, deployment="istio-pilot")["changed"] is False


def test_a_deployment_that_is_deleted_meanwhile(store):
    time = Time(store, controller=False)

    def gone(_seconds):
        time.now += 1000
        del store.objects[PILOT]

    with pytest.raises(MeshConfigError, match="after 300 s: it was deleted"):
        Editor(FakeKube(store), {**PARAMS, "deployment": "istio-pilot"}, False, gone, time.clock).run()
