# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways in which a Service has nodes accept the virtual address. Pure. Private to the collection.

C(external_ips) is deprecated since Kubernetes 1.36. C(load_balancer) needs no controller: its class is ours, so that
no other takes the Service, and the status that a controller would write is written here. kube-proxy makes the same
rules of both.
"""

from __future__ import annotations

import re
import typing as t

JsonObject = t.Dict[str, t.Any]

EXTERNAL_IPS, LOAD_BALANCER, AUTO = "external_ips", "load_balancer", "auto"
BACKENDS = (AUTO, EXTERNAL_IPS, LOAD_BALANCER)
CLASS = "mesh.expansion/director"
SETTLE_SECONDS = 5
"""How long nodes may take to follow a change of a Service: kube-proxy gathers changes for a second, 1.5 s were seen."""
# The field ipMode, without which kube-proxy may send traffic past the nodes' rules.
_SERVED_SINCE = (1, 30)


def choose(backend: str, server_version: str) -> str:
    """The backend for C(auto): C(load_balancer) wherever the API serves all its fields."""
    if backend != AUTO:
        return backend
    found = re.match(r"v?(\d+)\.(\d+)", server_version)
    version = tuple(int(part) for part in found.groups()) if found else (0, 0)
    return LOAD_BALANCER if version >= _SERVED_SINCE else EXTERNAL_IPS


def spec(backend: str, vip: str) -> JsonObject:
    """The fields of a Service's spec that differ."""
    if backend == LOAD_BALANCER:
        # A node port would open the Service on every address of every node.
        return {"type": "LoadBalancer", "loadBalancerClass": CLASS, "allocateLoadBalancerNodePorts": False}
    return {"type": "ClusterIP", "externalIPs": [vip]}


def status(backend: str, vip: str) -> JsonObject:
    """What a load balancer's controller would report; empty for the other backend."""
    return {"loadBalancer": {"ingress": [{"ip": vip, "ipMode": "VIP"}]}} if backend == LOAD_BALANCER else {}


def lacks_status(manifest: JsonObject, service: JsonObject) -> bool:
    wanted = manifest.get("status") or {}
    return bool(wanted) and ((service.get("status") or {}).get("loadBalancer") or {}) != wanted["loadBalancer"]


def meanwhile(manifest: JsonObject, service: JsonObject) -> JsonObject | None:
    """A Service that answers by both ways, for as long as the nodes take to change from one to the other."""
    wanted, now = manifest["spec"], service.get("spec") or {}
    if wanted["type"] == "LoadBalancer" and now.get("externalIPs"):
        return {**manifest, "spec": {**wanted, "externalIPs": now["externalIPs"]}}
    if wanted["type"] == "ClusterIP" and now.get("type") == "LoadBalancer" and now.get("loadBalancerClass") == CLASS:
        kept = {**wanted, **spec(LOAD_BALANCER, "")}
        return {**manifest, "spec": kept}
    return None
