"""Apply istiod, the east-west gateway and the pods in the mesh; wait until all of them work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab import config, proc
from lab.build import istio
from lab.istio import ca, rendered
from lab.kube import objects
from lab.kube.client import Client
from lab.steps import Step

Json = dict[str, Any]
MANAGER = "mesh-lab-istiod"
MANIFESTS = objects.MANIFESTS / "istiod"
READY_TIMEOUT = 120
CITADEL_SECRET = "istio-ca-secret"
OWN_TABLE = "443"
"""Routing table of what only this machine itself may reach."""


def revision() -> str | None:
    """Of the istiod that this lab has; None when it has none."""
    return rendered.REVISIONS.get(config.shape().generation)


def ca_directory() -> Path:
    return config.state_dir() / "istio-ca"


def steps() -> list[Step]:
    """What `up` does once the API server and the pod runner work."""
    if revision() is None:
        return []
    return [
        Step("istiod: way of the API server to its webhooks", webhook_route),
        Step("istiod: certificate authority, definitions, control plane", _control_plane, 8),
        Step("istiod: gateway, pods with sidecars", _mesh, 2),
    ]


def webhook_route() -> None:
    """The API server calls webhooks at their Services' addresses. A control plane's machine is part of the pod network;
    here only what this machine itself sends to port 443 gets a way in, through a node. What it forwards for VMs has
    none, as before."""
    site = config.topology()
    ip = ["ip", "-n", site.netns]
    node = site.with_role("node")[0]
    # The tunnel between nodes takes 1450 bytes, and a TLS greeting of today does not fit into one packet.
    route = [site.service_cidr, "via", node.address, "mtu", "1400", "advmss", "1360"]
    proc.run([*ip, "route", "replace", *route, "table", OWN_TABLE])
    rule = ["iif", "lo", "to", site.service_cidr, "ipproto", "tcp", "dport", "443", "lookup", OWN_TABLE]
    if f"lookup {OWN_TABLE}" not in proc.run([*ip, "rule", "show"]).stdout:
        proc.run([*ip, "rule", "add", *rule])


def _objects() -> tuple[list[Json], list[Json]]:
    """istiod with all that it needs, and what is injected by it."""
    site, wanted = config.topology(), revision() or ""
    nodes = [host.name for host in reversed(site.with_role("node"))]
    everything = rendered.placed(rendered.objects(site, wanted), nodes)
    istiod = rendered.service(wanted)
    later = [item for item in everything if item["kind"] == "Deployment" and item["metadata"]["name"] != istiod]
    first = [item for item in everything if item not in later]
    namespace, *pods = objects.read(
        *objects.files(MANIFESTS), istio.packaging() / "expose-services.yaml", network=rendered.NETWORK
    )
    for item in pods:
        item["metadata"].setdefault("namespace", rendered.NAMESPACE)
    return [namespace, *_authority(), *first], [*later, *rendered.placed(rendered.injected(pods, wanted), nodes)]


def _authority() -> list[Json]:
    """A CA of the lab's own, plugged in; beside Citadel none:
    istiod then takes Citadel's, and both generations have one root."""
    if config.shape().has_standins:
        return []
    return [ca.secret(ca.ensure(ca_directory()), rendered.NAMESPACE)]


def _control_plane() -> None:
    first, _later = _objects()
    name = rendered.service(revision() or "")
    client = Client()
    try:
        if config.shape().has_standins:
            path = f"/api/v1/namespaces/{rendered.NAMESPACE}/secrets/{CITADEL_SECRET}"
            proc.wait_for(f"Citadel's Secret {CITADEL_SECRET}", lambda: _exists(client, path), READY_TIMEOUT)
        _apply(client, first)
        path = f"/apis/apps/v1/namespaces/{rendered.NAMESPACE}/deployments/{name}"
        proc.wait_for(f"Deployment {name}", lambda: _available(client, path), READY_TIMEOUT)
    finally:
        client.close()


def _mesh() -> None:
    _first, later = _objects()
    client = Client()
    try:
        _apply(client, later)
    finally:
        client.close()


def _apply(client: Client, items: list[Json]) -> None:
    applier = objects.Applier(client, MANAGER)
    for item in items:
        applier.apply(item)


def _exists(client: Client, path: str) -> bool:
    return bool(client.call("GET", path)["metadata"])


def _available(client: Client, path: str) -> bool:
    return bool(client.call("GET", path).get("status", {}).get("availableReplicas"))
