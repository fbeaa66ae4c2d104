# Part of the lab's stand-in for the kubelet: the Node objects.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Register the lab's nodes and keep their status fresh."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import re
from typing import Any

from lab import config
from lab.pods import kubelet, status
from lab.pods.api import MERGE, Api, ApiError
from lab.pods.downward import NODE_RESOURCES

Json = dict[str, Any]
HEARTBEAT_SECONDS = 60
WEBSOCKETS_SINCE = (1, 36)


def node_object(host: config.Host) -> Json:
    labels = {"kubernetes.io/hostname": host.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": host.name, "labels": labels},
        "spec": {"podCIDR": host.pod_cidr, "podCIDRs": [host.pod_cidr]},
    }


def declared_features(version: str) -> list[str]:
    """What the API server of that version is told of this kubelet: without it, it turns WebSocket into SPDY."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    new = match is not None and (int(match[1]), int(match[2])) >= WEBSOCKETS_SINCE
    return ["ExtendWebSocketsToKubelet"] if new else []


def node_status(host: config.Host, version: str) -> Json:
    now = status.timestamp()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "stand-in for the kubelet is ready",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    document = {
        "addresses": [
            {"type": "InternalIP", "address": host.address},
            {"type": "Hostname", "address": host.name},
        ],
        "conditions": [ready],
        "capacity": NODE_RESOURCES,
        "allocatable": NODE_RESOURCES,
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.PORT}},
        "nodeInfo": {
            "kubeletVersion": f"{version}-mesh-lab-stand-in",
            "kubeProxyVersion": version,
            "containerRuntimeVersion": "mesh-lab://1",
            "kernelVersion": platform.release(),
            "osImage": platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
            "operatingSystem": "linux",
            "architecture": "amd64",
            "machineID": "",
            "systemUUID": "",
            "bootID": str(os.getpid()),  # tells `up` that this runner has taken over
        },
    }
    features = declared_features(version)
    return document | ({"declaredFeatures": features} if features else {})


async def keep_node(api: Api, host: config.Host, took_over: asyncio.Event) -> None:
    """Register the node and keep its status fresh; nothing else clears the taint of a new node here."""
    await took_over.wait()
    while True:
        if await api.persist("PATCH", f"/api/v1/nodes/{host.name}", {"spec": {"taints": None}}, MERGE) is None:
            with contextlib.suppress(ApiError):
                await api.persist("POST", "/api/v1/nodes", node_object(host))
            continue
        version = ((await api.persist("GET", "/version")) or {}).get("gitVersion", "")
        body = {"status": node_status(host, version)}
        await api.persist("PATCH", f"/api/v1/nodes/{host.name}/status", body, MERGE)
        await asyncio.sleep(HEARTBEAT_SECONDS)
