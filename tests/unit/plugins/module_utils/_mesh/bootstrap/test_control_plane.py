# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import control_plane as istiod
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError

from tests.unit.plugins.istiod_objects import configmap, control_plane, values

NS, INJECTOR = "istio-system", "istio-sidecar-injector"


def test_names_of_an_istiod() -> None:
    plain, revised = control_plane(), control_plane(revision="1-31")
    assert (plain.host, plain.address) == ("istiod.istio-system.svc", "istiod.istio-system.svc:15012")
    assert revised.address == "istiod-1-31.istio-system.svc:15012"
    elsewhere = control_plane(namespace="mesh")
    assert [one.is_elsewhere for one in (plain, revised, elsewhere)] == [False, True, True]


def test_mesh_document() -> None:
    found = istiod.mesh_document(configmap("istio", mesh="trust_domain: td\ndefaultConfig: {}\nx: null\n"), NS, "istio")
    assert found == {"trustDomain": "td", "defaultConfig": {}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "ConfigMap istio-system/istio has no key mesh; its keys: none"),
        ({"meshNetworks": "x"}, "has no key mesh; its keys: meshNetworks"),
        ({"mesh": "a: [1"}, "key mesh: the mesh document is not valid YAML"),
        ({"mesh": "- 1"}, "key mesh: the mesh document is not a mapping"),
    ],
)
def test_mesh_documents_that_cannot_be_used(data: dict[str, str], words: str) -> None:
    with pytest.raises(BootstrapError, match=words):
        istiod.mesh_document(configmap("istio", **data), NS, "istio")


def test_no_istiod_names_the_revisions_that_there_are() -> None:
    with pytest.raises(BootstrapError, match="ConfigMap istio-system/istio does not exist") as caught:
        istiod.mesh_document(None, NS, "istio", ["istio-1-30", "istio-1-31"])
    assert "There is istio-1-30, istio-1-31: set revision" in str(caught.value)
    with pytest.raises(BootstrapError) as caught:
        istiod.mesh_document(None, NS, "istio")
    assert "There is" not in str(caught.value)


@pytest.mark.parametrize(("named", "found"), [("prod", "prod"), ("", "Kubernetes"), (None, "Kubernetes")])
def test_cluster_name_is_what_istiod_takes(named: str | None, found: str) -> None:
    assert istiod.cluster_name(configmap(INJECTOR, values=values(named)), NS, INJECTOR) == found


def test_cluster_name_of_odd_values() -> None:
    assert istiod.cluster_name(None, NS, INJECTOR) is None
    odd = configmap(INJECTOR, values=json.dumps({"global": []}))
    assert istiod.cluster_name(odd, NS, INJECTOR) == "Kubernetes"
    with pytest.raises(BootstrapError, match="key values: it is not JSON"):
        istiod.cluster_name(configmap(INJECTOR, values="global: {}"), NS, INJECTOR)


def test_cluster_id_must_be_one() -> None:
    assert istiod.cluster_id("prod", "", NS, INJECTOR) == "prod"
    assert istiod.cluster_id("prod", "prod", NS, INJECTOR) == "prod"
    assert istiod.cluster_id(None, "prod", NS, INJECTOR) == "prod"
    with pytest.raises(BootstrapError, match="cluster_id is 'test', but istiod is of 'prod'.*leave it out"):
        istiod.cluster_id("prod", "test", NS, INJECTOR)
    with pytest.raises(BootstrapError, match=f"{INJECTOR} does not exist.*Set cluster_id"):
        istiod.cluster_id(None, "", NS, INJECTOR)


def test_trust_domain_must_be_the_mesh_s() -> None:
    istiod.check_trust_domain({"trustDomain": "td"}, "td", NS, "istio")
    istiod.check_trust_domain({"trustDomain": "td"}, "", NS, "istio")
    istiod.check_trust_domain({}, "cluster.local", NS, "istio")
    with pytest.raises(BootstrapError, match="trust_domain is 'td', but istiod's is 'cluster.local'"):
        istiod.check_trust_domain({}, "td", NS, "istio")


def test_root_certificates() -> None:
    found = configmap("istio-ca-root-cert", "shop", **{"root-cert.pem": "PEM"})
    assert istiod.root_certificates(found, "shop") == "PEM"
    with pytest.raises(BootstrapError, match="ConfigMap shop/istio-ca-root-cert does not exist.*discoverySelectors"):
        istiod.root_certificates(None, "shop")
    with pytest.raises(BootstrapError, match="has no key root-cert.pem; its keys: ca.pem"):
        istiod.root_certificates(configmap("istio-ca-root-cert", "shop", **{"ca.pem": "PEM"}), "shop")


def test_names_in_snake_case() -> None:
    assert istiod.camel({"discovery_address": "a", "mesh_id": "b"}) == {"discoveryAddress": "a", "meshId": "b"}
    assert istiod.camel({"mesh_id": "a", "meshId": "b"}) == {"meshId": "b"}
    assert istiod.camel({"holdApplicationUntilProxyStarts": False, "x": None}) == {
        "holdApplicationUntilProxyStarts": False
    }
