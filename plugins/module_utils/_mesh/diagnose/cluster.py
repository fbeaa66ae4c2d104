# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads from the API what a colleague needs to judge a site, and no Secret. Private to the collection."""

from __future__ import annotations

import json
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError, KubeForbidden, KubeNotFound
from ..._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NODES,
    PEER_AUTHENTICATIONS,
    PODS,
    SERVICES,
    WORKLOAD_ENTRIES,
    WORKLOAD_GROUPS,
    Resource,
)
from ..register.objects import MANAGED_BY, MANAGED_BY_LABEL
from . import redact
from .gather import Found, Limits, cut

EVENTS = Resource("", "v1", "events", "Event")
_OURS = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
_OF_SERVICE = "kubernetes.io/service-name"
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_MOST_EVENTS = 300

Json = t.Dict[str, t.Any]


class Asked(t.NamedTuple):
    """Where to look beside the objects of the collection itself."""

    # That of the control plane first, then that of the cluster's DNS, and those of the VMs.
    namespaces: t.Sequence[str]
    configmap: str


def look(client: KubeClient, asked: Asked, limits: Limits) -> Found:
    """One part for each kind of object; what the user of the kubeconfig may not read is said to be missing."""
    redactor = redact.Redactor()
    found = Found({}, [])
    control_plane = asked.namespaces[0]

    def part(name: str, read: t.Callable[[], t.Any]) -> t.Any:
        try:
            content = read()
        except KubeNotFound:
            found.missing.append(f"{name}: the cluster does not know this kind")
            return None
        except KubeError as exc:
            found.missing.append(f"{name}: {redactor.text(str(exc))}")
            return None
        found.parts[name] = cut(json.dumps(redactor.document(content), indent=1) + "\n", limits.size)
        return content

    services = part("services.json", lambda: _objects(client, SERVICES, asked, _OURS)) or []
    part("endpoints.json", lambda: _endpoints(client, services))
    part("workload-groups.json", lambda: _objects(client, WORKLOAD_GROUPS, asked))
    part("workload-entries.json", lambda: _objects(client, WORKLOAD_ENTRIES, asked))
    part("peer-authentications.json", lambda: _objects(client, PEER_AUTHENTICATIONS, asked))
    part("mesh-config.json", lambda: bare(client.get(CONFIGMAPS, control_plane, asked.configmap) or {}))
    part("deployments.json", lambda: [deployment(item) for item in client.list(DEPLOYMENTS, control_plane)])
    part("pods.json", lambda: [pod(item) for name in asked.namespaces for item in client.list(PODS, name)])
    part("events.json", lambda: events([item for name in asked.namespaces for item in client.list(EVENTS, name)]))
    part("nodes.json", lambda: [node(item) for item in client.list(NODES, None)])
    part("server.json", lambda: {"version": client.server_version(), "address": client.host})
    return found


def _objects(client: KubeClient, resource: Resource, asked: Asked, selector: str | None = None) -> list[Json]:
    """Of all namespaces, or of those that are known where the right is for single ones."""
    try:
        items = client.list(resource, None, label_selector=selector)
    except KubeForbidden:
        items = [item for name in asked.namespaces for item in client.list(resource, name, label_selector=selector)]
    return [bare(item) for item in items]


def _endpoints(client: KubeClient, services: t.Sequence[Json]) -> list[Json]:
    found = []
    for service in services:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        found += [item for item in [client.get(ENDPOINTS, namespace, name)] if item]
        found += client.list(ENDPOINT_SLICES, namespace, label_selector=f"{_OF_SERVICE}={name}")
    return [bare(item) for item in found]


def bare(item: Json) -> Json:
    """Without the server's book-keeping and a copy of what somebody once applied."""
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key != "managedFields"}
    if _APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = {key: value for key, value in metadata["annotations"].items() if key != _APPLIED}
    return {**item, "metadata": metadata} if metadata else dict(item)


def _named(item: Json) -> Json:
    metadata = item["metadata"]
    return {key: metadata[key] for key in ("namespace", "name", "labels", "creationTimestamp") if metadata.get(key)}


def deployment(item: Json) -> Json:
    """The environment of containers is nobody's business."""
    containers = item["spec"]["template"]["spec"].get("containers") or []
    return {
        **_named(item),
        "replicas": item["spec"].get("replicas"),
        "containers": [{key: one.get(key) for key in ("name", "image", "args")} for one in containers],
        "status": item.get("status") or {},
    }


def pod(item: Json) -> Json:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    kept = ("phase", "conditions", "podIP", "hostIP", "startTime", "reason", "message")
    return {
        **_named(item),
        "node": spec.get("nodeName"),
        "serviceAccount": spec.get("serviceAccountName"),
        "status": {key: status[key] for key in kept if key in status},
        "containers": [
            {key: one.get(key) for key in ("name", "image", "ready", "restartCount", "state", "lastState")}
            for one in status.get("containerStatuses") or []
        ],
    }


def node(item: Json) -> Json:
    status = item.get("status") or {}
    kept = ("addresses", "conditions", "nodeInfo", "allocatable")
    return {
        **_named(item),
        "podCIDR": (item.get("spec") or {}).get("podCIDR"),
        **{key: status[key] for key in kept if key in status},
    }


def events(items: t.Sequence[Json]) -> list[Json]:
    """The last ones."""
    kept = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp")
    shown = [
        {
            "object": "{kind} {namespace}/{name}".format(
                **{key: (item.get("involvedObject") or {}).get(key, "") for key in ("kind", "namespace", "name")}
            ),
            **{key: item[key] for key in kept if item.get(key) is not None},
        }
        for item in items
    ]
    return sorted(shown, key=lambda item: str(item.get("lastTimestamp", "")))[-_MOST_EVENTS:]
