# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the cluster: no Secret, no environment, and a word on what may not be read."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeForbidden, KubeNotFound
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    PODS,
    SECRETS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    Resource,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose import cluster
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose.gather import Found, Limits

from tests.unit.plugins.fake_kube import FakeKube

OURS = {"app.kubernetes.io/managed-by": "mesh.expansion"}
ASKED = cluster.Asked(["istio-system", "kube-system", "shop"], "istio")


def metadata(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, **more}


class Kube(FakeKube):
    """Its user may list in single namespaces only; kinds of Istio are not served."""

    def list(self, resource: Resource, namespace: str | None, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        if resource in (WORKLOAD_GROUPS, WORKLOAD_ENTRIES):
            raise KubeNotFound("404")
        if namespace is None:
            raise KubeForbidden(f"Cannot list {resource.plural}: token=hunter2 (HTTP 403).")
        assert resource is not SECRETS
        return super().list(resource, namespace, *args, **kwargs)


def look() -> Found:
    client = Kube()
    put = client.store.put
    put(SECRETS, "istio-system", {"metadata": metadata("istio.default"), "data": {"key.pem": "hunter2"}})
    noted = {cluster._APPLIED: '{"hunter2": 1}', "mesh.expansion/registered": "{}"}
    put(
        SERVICES,
        "shop",
        {"metadata": metadata("web", labels=OURS, annotations=noted), "spec": {"ports": [{"port": 80}]}},
    )
    put(SERVICES, "shop", {"metadata": metadata("other"), "spec": {}})
    put(ENDPOINT_SLICES, "shop", {"metadata": metadata("web-x", labels={"kubernetes.io/service-name": "web"})})
    put(
        CONFIGMAPS,
        "istio-system",
        {"metadata": metadata("istio"), "data": {"mesh": "trustDomain: x\npassword: hunter2\n"}},
    )
    container = {
        "name": "discovery",
        "image": "pilot:1.31",
        "args": ["--token=hunter2", "--domain"],
        "env": [{"name": "A", "value": "hunter2"}],
    }
    template = {"spec": {"containers": [container]}}
    put(DEPLOYMENTS, "istio-system", {"metadata": metadata("istiod"), "spec": {"replicas": 1, "template": template}})
    pod = {"containers": [container], "nodeName": "node1", "serviceAccountName": "istiod"}
    put(PODS, "istio-system", {"metadata": metadata("istiod-1"), "spec": pod, "status": {"phase": "Running"}})
    for number in (2, 1):
        event = {"reason": "Pulled", "lastTimestamp": f"2026-11-28T10:00:0{number}Z", "involvedObject": {"kind": "Pod"}}
        put(cluster.EVENTS, "shop", {"metadata": metadata(f"e{number}"), **event})
    return cluster.look(client, ASKED, Limits())


def part(found: Found, name: str) -> Any:
    return json.loads(found.parts[name])


def test_what_is_read() -> None:
    found = look()
    assert [item["metadata"]["name"] for item in part(found, "services.json")] == ["web"]
    assert [item["metadata"]["name"] for item in part(found, "endpoints.json")] == ["web-x"]
    assert "trustDomain: x" in part(found, "mesh-config.json")["data"]["mesh"]
    assert part(found, "deployments.json")[0]["containers"][0]["image"] == "pilot:1.31"
    assert part(found, "pods.json")[0]["node"] == "node1"
    assert part(found, "server.json")["version"] == "v1.20.2"
    assert [item["lastTimestamp"][-3] for item in part(found, "events.json")] == ["0", "0"]
    assert [item["lastTimestamp"][-2] for item in part(found, "events.json")] == ["1", "2"]
    # What our own notes say is no copy of somebody's file.
    assert "mesh.expansion/registered" in found.parts["services.json"]


def test_no_secret() -> None:
    found = look()
    assert "hunter2" not in "".join([*found.parts.values(), *found.missing])


def test_what_may_not_be_read_is_said() -> None:
    assert look().missing == [
        "workload-groups.json: the cluster does not know this kind",
        "workload-entries.json: the cluster does not know this kind",
        "nodes.json: Cannot list nodes: token=[removed:value] (HTTP 403).",
    ]


def test_what_is_too_long_is_cut() -> None:
    client = Kube()
    client.store.put(CONFIGMAPS, "istio-system", {"metadata": metadata("istio"), "data": {"mesh": "a\n" * 5000}})
    text = cluster.look(client, ASKED, Limits(size=1000)).parts["mesh-config.json"]
    assert len(text) < 1100
    assert "[cut: " in text
