# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles that are made of what preflight asks for: as much as that, and no more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.rbac import Right, manifests, rights

from tests.unit.plugins.module_utils._mesh.preflight.test_control_plane import cluster, site


def right(resource: str, *verbs: str, namespace: str = "", name: str = "", **more: str) -> dict[str, Any]:
    return {"resource": resource, "verbs": list(verbs), "namespace": namespace, "name": name, "group": "", **more}


def granted(items: list[dict[str, Any]]) -> set[Right]:
    return {
        Right(item["metadata"].get("namespace", ""), group, resource, name, verb)
        for item in items
        for rule in item.get("rules", [])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def test_what_another_right_includes_is_left_out() -> None:
    asked = [
        right("services", "list"),
        right("services", "get", "list", namespace="shop"),
        right("secrets", "get", namespace="shop", name="a"),
        right("secrets", "get", namespace="shop"),
        right("pods", "get", "create", namespace="shop", subresource="exec"),
    ]
    assert rights(asked * 2) == [
        Right("", "", "services", "", "list"),
        Right("shop", "", "pods/exec", "", "create"),
        Right("shop", "", "pods/exec", "", "get"),
        Right("shop", "", "secrets", "", "get"),
        Right("shop", "", "services", "", "get"),
    ]


def test_names_share_a_rule_only_when_they_have_the_same_verbs() -> None:
    asked = [
        right("configmaps", "get", namespace="shop", name="a"),
        right("configmaps", "get", namespace="shop", name="b"),
        right("configmaps", "get", "update", namespace="shop", name="c"),
    ]
    role, binding = manifests(asked, "me")
    assert (role["kind"], role["metadata"]) == ("Role", {"name": "mesh-expansion", "namespace": "shop"})
    assert [(rule["resourceNames"], rule["verbs"]) for rule in role["rules"]] == [
        (["a", "b"], ["get"]),
        (["c"], ["get", "update"]),
    ]
    assert (binding["kind"], binding["roleRef"]["kind"], binding["subjects"][0]["name"]) == (
        "RoleBinding",
        "Role",
        "me",
    )


@pytest.mark.parametrize("registration", ["auto", "workload_entry", "endpoint_slice", "endpoints"])
def test_the_roles_of_a_site_grant_what_preflight_asks_for(registration: str) -> None:
    of = site(mesh_registration=registration, mesh_plain_clients=True)
    asked = cluster.required_access(of, "istio", "istiod")
    made = granted(manifests(asked, "me"))
    assert made == set(rights(asked))
    status = [one for one in made if one.resource == "workloadentries/status"]
    assert bool(status) is (registration == "auto")


def test_the_page_says_what_is_asked_for(root: Path) -> None:
    import rbac_page

    assert (root / "docs/rbac.md").read_text(encoding="utf-8") == rbac_page.page()
