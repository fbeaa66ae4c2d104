"""The roles that rbac.yml writes are enough for all that is done, and each verb in them is asked for by preflight. With
the generation of the lab that is up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import KubeClient, connect
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import Resource
from ansible_collections.mesh.expansion.plugins.modules.kube_access_info import inspect
from lab_state import ROOT

from lab import config
from tests.changes.mesh_site import PATIENCE, VMS, changes, kubectl, words
from tests.live import Json, Playbooks

USER = "operator"
ROWS = {"istiod": 15, "citadel": 19}
ROLES = {
    "Role": Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    "ClusterRole": Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
}


def kubeconfig(folder: Path) -> Path:
    """The lab's, with a token of the account that has the roles."""
    found = yaml.safe_load(config.admin_kubeconfig().read_text(encoding="utf-8"))
    token = kubectl("create", "token", USER, "-n", "default", "--duration", "4h").strip()
    for user in found["users"]:
        user["user"] = {"token": token}
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture(name="roles", scope="module")
def fixture_roles(books: Playbooks) -> Iterator[list[Json]]:
    file = books.folder / "roles.yml"
    account = f"system:serviceaccount:default:{USER}"
    kubectl("create", "serviceaccount", USER, "-n", "default")
    try:
        books.good("playbooks/rbac.yml", rbac_user=account, rbac_file=str(file))
        kubectl("apply", "-f", str(file))
        yield [item for item in yaml.safe_load(file.read_text())["items"] if item["kind"] in ROLES]
        kubectl("delete", "-f", str(file))
    finally:
        kubectl("delete", "serviceaccount", USER, "-n", "default")


@pytest.fixture(name="user", scope="module")
def fixture_user(roles: list[Json], books: Playbooks) -> Json:
    return {"mesh_kubeconfig": str(kubeconfig(books.folder))}


def test_the_whole_way_with_these_rights(books: Playbooks, user: Json) -> None:
    said = books.good("site.yml", **user)
    rows = ROWS[config.shape().generation]
    assert f"{rows} checks of {rows} rows hold" in words(said)
    assert changes(books.good("site.yml", **user)) == 0
    drained = {**user, "registration_drain_last": True}
    books.good("playbooks/drain_vm.yml", "-l", VMS[0].name, **drained)
    books.good("playbooks/undrain_vm.yml", "-l", VMS[0].name, **user)
    left = books.good("playbooks/leave.yml", **user)
    assert "Nobody is drained" not in left
    books.good("playbooks/teardown.yml", **user)


def asked(books: Playbooks, user: Json) -> list[Json]:
    file = books.folder / "questions.json"
    books.good(str(ROOT / "tests/changes/questions.yml"), questions_file=str(file), **user)
    found: list[Json] = json.loads(file.read_text())
    return [{"subresource": "", **item} for item in found]


def denied(client: KubeClient, questions: list[Json]) -> set[tuple[str, str]]:
    """Resource and verb."""
    return {
        ("/".join(part for part in (item["resource"], item["subresource"]) if part), verb)
        for item in inspect(client, questions, [], [])["denied"]
        for verb in item["verbs"]
    }


def becomes(look: Callable[[], Any], wanted: Any) -> Any:
    """The API server hears of another role a moment later."""
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found == wanted or time.monotonic() > end:
            return found
        time.sleep(0.2)


def test_each_verb_that_is_missing_is_named(
    books: Playbooks, user: Json, roles: list[Json], tell: Callable[[Any], None]
) -> None:
    questions = asked(books, user)
    admin, client = connect(str(config.admin_kubeconfig())), connect(user["mesh_kubeconfig"])
    assert becomes(lambda: denied(client, questions), set()) == set()
    removed = 0
    for role in roles:
        resource, metadata = ROLES[role["kind"]], role["metadata"]
        place = metadata.get("namespace"), metadata["name"]
        for number, rule in enumerate(role["rules"]):
            for verb in rule["verbs"]:
                now = admin.get(resource, *place)
                assert now is not None
                less = {**rule, "verbs": [other for other in rule["verbs"] if other != verb]}
                rules = [less if index == number else other for index, other in enumerate(role["rules"])]
                admin.replace(resource, place[0], {**now, "rules": [one for one in rules if one["verbs"]]})
                wanted = {(rule["resources"][0], verb)}
                assert becomes(lambda: denied(client, questions), wanted) == wanted, (place, rule)
                removed += 1
        now = admin.get(resource, *place)
        assert now is not None
        admin.replace(resource, place[0], {**now, "rules": role["rules"]})
        assert becomes(lambda: denied(client, questions), set()) == set()
    tell(f"{removed} verbs, each named when it is missing")
    assert removed > 30
