# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from tests.unit.plugins.istiod_objects import group


def test_a_bare_group_is_of_the_default_account() -> None:
    found = group(template={})
    assert (found.name, found.namespace, found.service_account) == ("web", "default", "default")
    assert (found.network, found.ports, found.probe, found.proxy_configs) == ("", {}, None, ())
    assert str(found) == "WorkloadGroup default/web"


def test_labels_of_the_template_count_more() -> None:
    found = group(metadata={"labels": {"app": "a", "tier": "x"}}, template={"labels": {"app": "b"}})
    assert found.labels == {"app": "b", "tier": "x"}


@pytest.mark.parametrize(
    ("labels", "name", "revision"),
    [
        ({}, "web", "latest"),
        ({"app": "a", "version": "v2"}, "a", "v2"),
        ({"app": "a", "app.kubernetes.io/name": "b", "app.kubernetes.io/version": "3"}, "b", "3"),
        ({"app": "a", "service.istio.io/canonical-name": "c", "service.istio.io/canonical-revision": "r"}, "c", "r"),
        ({"app": ""}, "", "latest"),
    ],
)
def test_canonical_name_and_revision(labels: dict[str, str], name: str, revision: str) -> None:
    found = group(metadata={"labels": labels})
    assert (found.canonical_name, found.canonical_revision) == (name, revision)
    assert found.all_labels() == {
        **labels,
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": revision,
    }


def test_annotations_of_the_group_come_before_those_of_its_spec() -> None:
    found = group(
        annotations={"proxy.istio.io/config": "a: 1"}, metadata={"annotations": {"proxy.istio.io/config": "a: 2"}}
    )
    assert found.proxy_configs == (("metadata.annotations", "a: 1"), ("spec.metadata.annotations", "a: 2"))
