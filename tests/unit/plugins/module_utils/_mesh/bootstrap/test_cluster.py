# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden, KubeNotFound
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    SERVICE_ACCOUNTS,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import cluster
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError

from tests.unit.plugins import istiod_objects as istiod
from tests.unit.plugins.fake_kube import FakeKube


@pytest.fixture
def kube() -> FakeKube:
    made = FakeKube()
    for suffix, domain in (("", "cluster.local"), ("-1-31", "td")):
        made.store.put(CONFIGMAPS, "istio-system", istiod.configmap(f"istio{suffix}", mesh=f"trustDomain: {domain}"))
        injector = istiod.configmap(f"istio-sidecar-injector{suffix}", values=istiod.values(f"c{suffix}"))
        made.store.put(CONFIGMAPS, "istio-system", injector)
    root = istiod.configmap("istio-ca-root-cert", "default", **{"root-cert.pem": "PEM"})
    made.store.put(CONFIGMAPS, "default", root)
    made.store.put(WORKLOAD_GROUPS, "default", istiod.group_object(template={"serviceAccount": "web"}))
    return made


def read(kube: FakeKube, **changes: t.Any) -> t.Any:
    return cluster.read(kube, istiod.options(**changes))


def test_all_is_read(kube: FakeKube) -> None:
    plane, group = read(kube)
    assert (plane.cluster_id, plane.trust_domain, plane.root, plane.revision) == ("c", "cluster.local", "PEM", "")
    assert group.service_account == "web"


def test_a_revision_has_its_own(kube: FakeKube) -> None:
    plane, _group = read(kube, revision="1-31", trust_domain="td")
    assert (plane.cluster_id, plane.trust_domain) == ("c-1-31", "td")
    assert plane.host == "istiod-1-31.istio-system.svc"


def test_an_unknown_revision_names_those_that_there_are(kube: FakeKube) -> None:
    with pytest.raises(
        BootstrapError, match="ConfigMap istio-system/istio-2 does not exist.*There is istio, istio-1-31"
    ):
        read(kube, revision="2")


def test_who_may_not_list_gets_the_message_all_the_same(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: t.Any) -> t.Any:
        raise KubeForbidden("no")

    monkeypatch.setattr(kube, "list", refused)
    with pytest.raises(BootstrapError, match="ConfigMap istio-system/istio-2 does not exist"):
        read(kube, revision="2")


def test_an_unknown_group_names_those_that_there_are(kube: FakeKube) -> None:
    with pytest.raises(BootstrapError, match="WorkloadGroup api in namespace default does not exist; there: web"):
        read(kube, workload_group="api")


def test_a_group_that_nobody_needs_is_not_read(kube: FakeKube) -> None:
    workload = {"services": [{"name": "api", "port": 9080, "protocol": "http"}]}
    _plane, group = read(kube, workload_group="api", auto_register=False, workload=workload)
    assert (group.name, dict(group.ports)) == ("api", {"http": 9080})


def test_a_cluster_without_the_resource(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: t.Any) -> t.Any:
        raise KubeNotFound("404")

    monkeypatch.setattr(kube, "list", missing)
    with pytest.raises(BootstrapError, match="the cluster has no such resource.*CRDs"):
        read(kube, workload_group="api")


def test_another_cluster_and_another_trust_domain(kube: FakeKube) -> None:
    with pytest.raises(BootstrapError, match="cluster_id is 'x', but istiod is of 'c'"):
        read(kube, cluster_id="x")
    with pytest.raises(BootstrapError, match="trust_domain is 'x'"):
        read(kube, trust_domain="x")


def test_the_account_s_uid(kube: FakeKube) -> None:
    kube.store.put(SERVICE_ACCOUNTS, "default", {"metadata": {"name": "web", "uid": "u1"}})
    assert cluster.account_uid(kube, "default", "web") == "u1"
    assert cluster.account_uid(kube, "default", "api") is None
