# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module istio_mesh_config against a fake API."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import CONFIGMAPS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.document import MeshConfigError
from ansible_collections.mesh.expansion.plugins.modules.istio_mesh_config import apply

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
}


@pytest.fixture
def store():
    store = FakeStore()
    body = {"metadata": {"name": "istio", "labels": {"app": "istio"}}, "data": {"mesh": DOCUMENT, "x": "y"}}
    store.put(CONFIGMAPS, "istio-system", body)
    return store


def run(store, check_mode=False, before_write=None, **changes):
    client = FakeKube(store, before_write)
    return apply(client, {**PARAMS, **changes}, check_mode, sleep=lambda _seconds: None)


def configmap(store):
    return store.objects[("configmaps", "istio-system", "istio")]


def test_check_run_check_run(store):
    assert run(store, check_mode=True).changed
    assert store.writes == []
    predicted = run(store, check_mode=True).result
    assert run(store).result == predicted
    assert configmap(store)["data"] == {"mesh": DOCUMENT.replace("false", "true"), "x": "y"}
    version = store.version
    assert not run(store, check_mode=True).changed
    again = run(store)
    assert not again.changed
    assert again.result["settings_hash"] == predicted["settings_hash"] != ""
    assert store.version == version


def test_an_edit_after_somebody_undid_the_first_has_another_fingerprint(store):
    """Pilot may have been restarted in between: it must be restarted again."""
    first = run(store).result["settings_hash"]
    body = configmap(store)
    store.put(CONFIGMAPS, "istio-system", {**body, "data": {**body["data"], "mesh": DOCUMENT}})
    second = run(store)
    assert second.changed
    assert second.result["settings_hash"] not in ("", first)
    assert run(store).result["settings_hash"] == second.result["settings_hash"]


def test_restoring_gives_the_object_back(store):
    before = configmap(store)
    run(store)
    run(store, settings={"disablePolicyChecks": True, "added": 1})
    restored = run(store, state="restored")
    assert restored.result["settings_hash"] == ""
    after = configmap(store)
    assert after["data"] == before["data"]
    assert not after["metadata"]["annotations"]
    assert not run(store, state="restored").changed


def test_values_that_were_there_already_are_not_ours(store):
    result = run(store, settings={"disablePolicyChecks": False})
    assert not result.changed
    assert result.result["remembered"] == []
    assert result.result["settings_hash"] == ""


def test_without_remembering_nothing_is_recorded(store):
    result = run(store, remember=False)
    assert result.result["previous"] == {"disablePolicyChecks": False}
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
