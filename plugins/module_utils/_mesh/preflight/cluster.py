# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role asks the Kubernetes API, and says about the answers. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..exposure.backends import EXTERNAL_IPS
from ..register.rights import needed
from ..site import Site

JsonObject = t.Dict[str, t.Any]


def required_access(site: Site, configmap: str, deployment: str) -> list[JsonObject]:
    """Exactly the rights that the roles use. docs/rbac.yaml grants them; a unit test compares the two."""
    istio, dns, client = site.istio_namespace, site.dns_namespace, str(site.client.get("namespace") or "default")
    return [
        # exposure: finds its Services by label in all namespaces, applies them server-side.
        _right("services", ["list"]),
        *(_right("services", ["get", "create", "patch", "delete"], namespace) for namespace in sorted({istio, dns})),
        # A load balancer's status, which no controller writes here.
        *(
            {**_right("services", ["patch"], namespace), "subresource": "status"}
            for namespace in sorted({istio, dns})
            if site.exposure_backend != EXTERNAL_IPS
        ),
        # registration
        *(
            _right(resource, verbs, namespace, group=group)
            for namespace in _vm_namespaces(site)
            for group, resource, verbs in needed(site.registration, site.plain_clients)
        ),
        # istio_sidecar: the identities, each by its own name.
        *(
            _right("secrets", ["get"], namespace, site.generation.identity_secret(account))
            for namespace, account in _identities(site)
        ),
        # mesh_policy
        _right("configmaps", ["get", "update"], istio, configmap),
        _right("deployments", ["get", "patch"], istio, deployment, group="apps"),
        # verify: a request to the VM from a pod.
        _right("pods", ["get", "list"], client),
        {**_right("pods", ["get", "create"], client), "subresource": "exec"},
    ]


def required_objects(site: Site, configmap: str, deployment: str) -> list[JsonObject]:
    """What must be there before the first change."""
    secret, namespace = site.generation.identity_secret, site.istio_namespace
    return [
        *({"kind": "Secret", "namespace": where, "name": secret(account)} for where, account in _identities(site)),
        {"kind": "ConfigMap", "namespace": namespace, "name": configmap},
        {"kind": "Deployment", "namespace": namespace, "name": deployment},
    ]


def cluster_findings(site: Site, cluster: t.Mapping[str, t.Any]) -> list[str]:
    if not cluster:
        return []
    if "reachable" not in cluster:
        return [f"control node: the Kubernetes API cannot be asked: {cluster.get('msg')}"]
    if not cluster.get("reachable"):
        return [f"mesh_kubeconfig: {site.kubeconfig or 'not set, so the default is used'}: {cluster.get('error')}"]
    found = [_denied(item) for item in cluster.get("denied") or []]
    for item in cluster.get("missing") or []:
        found.append(
            f"{item['kind']} {item['name']} in namespace {item['namespace']}: it does not exist. {_remedy(site, item)}"
        )
    for item in cluster.get("unknown") or []:
        found.append(
            f"{item['kind']} {item['name']} in namespace {item['namespace']}: it may be missing, the user of "
            f"mesh_kubeconfig may not look. If it is missing: {_remedy(site, item)}"
        )
    return found


def _right(resource: str, verbs: list[str], namespace: str = "", name: str = "", group: str = "") -> JsonObject:
    return {"resource": resource, "verbs": verbs, "namespace": namespace, "name": name, "group": group}


def _vm_namespaces(site: Site) -> list[str]:
    """Where VMs are registered."""
    services = [(vm, item) for vm in site.vms.values() for item in _services(vm.services)]
    return sorted({str(item.get("namespace") or vm.namespace) for vm, item in services})


def _services(services: t.Any) -> list[t.Mapping[str, t.Any]]:
    return [item for item in services if isinstance(item, t.Mapping)] if isinstance(services, (list, tuple)) else []


def _identities(site: Site) -> list[tuple[str, str]]:
    """Namespace and service account of each VM: whose identity the VM gets."""
    return sorted({(vm.namespace, vm.service_account) for vm in site.vms.values()})


def _denied(item: t.Mapping[str, t.Any]) -> str:
    resource = item["resource"] + (f"/{item['subresource']}" if item.get("subresource") else "")
    if item.get("name"):
        resource += f" {item['name']}"
    group = f" of API group {item['group']}" if item.get("group") else ""
    where = f"in namespace {item['namespace']}" if item.get("namespace") else "in all namespaces"
    return (
        f"mesh_kubeconfig: its user may not {', '.join(item['verbs'])} {resource}{group} {where}. "
        "Grant it; docs/rbac.yaml of the collection has the complete role."
    )


def _remedy(site: Site, item: t.Mapping[str, t.Any]) -> str:
    if item["kind"] == "Secret":
        account = str(item["name"]).split(".", 1)[1]
        return (
            f"Create the ServiceAccount {account} in that namespace, or correct mesh_vm_namespace and "
            f"mesh_service_account; {site.generation.identity_remedy}"
        )
    if item["kind"] == "ConfigMap":
        return "Correct mesh_istio_namespace, or install Istio there."
    return "Correct mesh_istio_namespace, or set mesh_policy_pilot to the name of Pilot's Deployment."
