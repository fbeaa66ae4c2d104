# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sidecars an istiod takes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import skew
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules

from tests.unit.plugins.module_utils._mesh.preflight.test_control_plane import site

Json = dict[str, Any]


def documents(*images: str, revision: str = "default", **labels: str) -> list[Json]:
    given = {"app": "istiod", "istio": "pilot", "istio.io/rev": revision, **labels}
    item = {"name": "istiod", "labels": {}, "data": {}, "template_labels": given, "images": list(images)}
    return [{"kind": "Deployment", "namespace": "istio-system", "name": "", "state": "ok", "items": [item]}]


def said(version: str, read: list[Json], **variables: Any) -> list[str]:
    package = {"source": "/s.deb", "version": version}
    return list(skew.findings(site(**variables), {"web1": {"package": package}, "node": {}}, read))


@pytest.mark.parametrize("version", ["1.31.0", "1.31.4-1", "1.30.2", "1.29.0", "1:1.29.0~rc1"])
def test_the_same_and_two_before_are_fine(version: str) -> None:
    assert said(version, documents("istio/pilot:1.31.0")) == []


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.32.0", "is istio-sidecar 1.32.0, newer than the control plane (istiod is 1.31). Upgrade istiod first"),
        ("2.0.0", "newer than the control plane"),
        ("1.28.9", "is istio-sidecar 1.28.9, too old for the control plane (istiod is 1.31): a sidecar may be 2 minor"),
        ("0.99.0", "too old for the control plane"),
    ],
)
def test_what_is_too_far_away_is_refused(version: str, words: str) -> None:
    (finding,) = said(version, documents("example.com:5000/istio/pilot:v1.31.0-distroless"))
    assert finding.startswith("web1: mesh_sidecar_package: /s.deb ")
    assert words in finding


@pytest.mark.parametrize("image", ["istio/pilot:latest", "istio/pilot@sha256:1.31", "istio/pilot", "pilot:1"])
def test_an_image_without_a_version_is_not_judged(image: str) -> None:
    assert said("1.99.0", documents(image)) == []


def test_only_the_chosen_revision_counts_and_of_several_the_oldest() -> None:
    both = [*documents("istio/pilot:1.31.0"), *documents("istio/pilot:1.33.0", revision="next")]
    assert said("1.33.0", both, mesh_revision="next") == []
    assert len(said("1.33.0", both)) == 1
    assert len(said("1.32.0", documents("istio/pilot:1.33.0", "istio/pilot:1.31.0"))) == 1


def test_another_generation_has_no_such_rule() -> None:
    assert said("9.9.9", documents("istio/pilot:1.31.0"), mesh_control_plane="citadel", mesh_vm_to_pods=False) == []


def test_preflight_says_it() -> None:
    look = {"web1": {"package": {"source": "/s.deb", "version": "1.32.0"}}}
    found = findings(site(), look, {"reachable": True, "documents": documents("istio/pilot:1.31.0")}, Rules({}))
    assert any("newer than the control plane" in line for line in found)
