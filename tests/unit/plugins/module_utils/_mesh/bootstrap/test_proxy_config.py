# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import proxy_config
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError

from tests.unit.plugins.istiod_objects import control_plane, group, options

ANNOTATION = "proxy.istio.io/config"


def made(mesh: dict[str, t.Any] | None = None, wanted: t.Any = None, spec: t.Any = None, **others: t.Any) -> t.Any:
    plane = control_plane(mesh, **others)
    return proxy_config.default_config(plane, spec or group(template={}), wanted or options())


def test_what_istiod_is_to_know_of_a_bare_group() -> None:
    assert made({"defaultConfig": {"meshId": "m"}}) == {
        "meshId": "m",
        "proxyMetadata": {
            "CANONICAL_SERVICE": "web",
            "CANONICAL_REVISION": "latest",
            "POD_NAMESPACE": "default",
            "SERVICE_ACCOUNT": "default",
            "TRUST_DOMAIN": "cluster.local",
            "ISTIO_META_CLUSTER_ID": "Kubernetes",
            "ISTIO_META_MESH_ID": "m",
            "ISTIO_META_NETWORK": "",
            "ISTIO_META_WORKLOAD_NAME": "web",
            "ISTIO_METAJSON_LABELS": (
                '{"service.istio.io/canonical-name":"web","service.istio.io/canonical-revision":"latest"}'
            ),
            "ISTIO_META_DNS_CAPTURE": "true",
            "ISTIO_META_AUTO_REGISTER_GROUP": "web",
        },
    }


def test_ports_are_in_the_order_of_their_names() -> None:
    found = made(spec=group(template={"ports": {"http": 9080, "admin": 9999}}))
    assert json.loads(found["proxyMetadata"]["ISTIO_META_POD_PORTS"]) == [
        {"name": "admin", "containerPort": 9999, "protocol": ""},
        {"name": "http", "containerPort": 9080, "protocol": ""},
    ]


def test_switches_take_their_keys_out() -> None:
    found = made(wanted=options(dns_capture=False, auto_register=False))["proxyMetadata"]
    assert not {"ISTIO_META_DNS_CAPTURE", "ISTIO_META_AUTO_REGISTER_GROUP"} & found.keys()


def test_annotations_override_the_mesh_and_metadata_is_merged() -> None:
    spec = group(
        annotations={ANNOTATION: "proxyMetadata: {A: group, B: group}\nstatusPort: 1"},
        metadata={"annotations": {ANNOTATION: "proxy_metadata: {B: spec}\nconcurrency: 4"}},
    )
    mesh = {"concurrency": 2, "proxyMetadata": {"A": "mesh", "C": "mesh"}, "tracing": {"sampling": 1}}
    found = made({"defaultConfig": mesh}, spec=spec)
    assert {key: found["proxyMetadata"][key] for key in "ABC"} == {"A": "group", "B": "spec", "C": "mesh"}
    assert (found["concurrency"], found["statusPort"], found["tracing"]) == (4, 1, {"sampling": 1})
    # What is given for the mesh stays as it was.
    assert mesh["proxyMetadata"] == {"A": "mesh", "C": "mesh"}


def test_an_istiod_elsewhere_is_named() -> None:
    assert "discoveryAddress" not in made()
    assert made(revision="1-31")["discoveryAddress"] == "istiod-1-31.istio-system.svc:15012"
    assert made(namespace="mesh")["discoveryAddress"] == "istiod.mesh.svc:15012"
    assert made({"defaultConfig": {"discoveryAddress": "x:1"}}, revision="1-31")["discoveryAddress"] == "x:1"


def test_the_probe_is_the_group_s_without_zeros() -> None:
    probe = {"initialDelaySeconds": 0, "periodSeconds": 1, "httpGet": {"path": "", "port": 80}, "tcpSocket": {}}
    mesh = {"defaultConfig": {"readinessProbe": {"httpGet": {"port": 1}}}}
    assert made(mesh, spec=group(probe=probe))["readinessProbe"] == {
        "periodSeconds": 1,
        "httpGet": {"port": 80},
        "tcpSocket": {},
    }
    assert "readinessProbe" not in made(mesh)


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        ({"defaultConfig": 1}, "ConfigMap istio-system/istio, key mesh: defaultConfig is 1, not a mapping"),
        ({"defaultConfig": {"proxyMetadata": []}}, r"proxyMetadata is \[\], not a mapping"),
        ({"defaultConfig": {"proxyMetadata": {"A": True}}}, "proxyMetadata.A is True, which is no text to Istio"),
    ],
)
def test_refused_mesh_documents(mesh: dict[str, t.Any], words: str) -> None:
    with pytest.raises(BootstrapError, match=words):
        made(mesh)


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: [", "is not valid YAML"), ("text", "is not a mapping"), ("proxyMetadata: {A: 1}", "proxyMetadata.A is 1")],
)
def test_refused_annotations_name_their_place(text: str, words: str) -> None:
    spec = group(metadata={"annotations": {ANNOTATION: text}})
    with pytest.raises(BootstrapError, match=f"WorkloadGroup default/web, {ANNOTATION} in spec.metadata.*{words}"):
        made(spec=spec)
