# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role asks the Kubernetes API, and says about the answers. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .hosts import Hosts, host_findings
from .site import Site, site_findings

JsonObject = t.Dict[str, t.Any]


def required_access(site: Site, hosts: Hosts) -> list[JsonObject]:
    """Exactly the rights that the roles use. docs/rbac.yaml grants them; a unit test compares the two."""
    namespaces, accounts = _vm_namespaces(hosts), _identities(hosts)
    istio, dns = str(site.get("istio_namespace")), str(site.get("dns_namespace"))
    client = str(site.get("client_namespace"))
    return [
        # exposure: finds its Services by label in all namespaces, applies them server-side.
        _right("services", ["list"]),
        *(_right("services", ["get", "create", "patch", "delete"], namespace) for namespace in sorted({istio, dns})),
        # registration
        *(_right(resource, ["get", "create", "update", "delete"], namespace) for namespace in namespaces for resource in ("services", "endpoints")),
        # istio_sidecar: the identities, each by its own name.
        *(_right("secrets", ["get"], namespace, f"istio.{account}") for namespace, account in accounts),
        # mesh_policy
        _right("configmaps", ["get", "update"], istio, str(site.get("mesh_configmap"))),
        _right("deployments", ["get", "patch"], istio, str(site.get("pilot")), group="apps"),
        # verify: a request to the VM from a pod.
        _right("pods", ["get", "list"], client),
        {**_right("pods", ["get", "create"], client), "subresource": "exec"},
    ]


def required_objects(site: Site, hosts: Hosts) -> list[JsonObject]:
    """What must be there before the first change."""
    return [
        *({"kind": "Secret", "namespace": namespace, "name": f"istio.{account}"} for namespace, account in _identities(hosts)),
        {"kind": "ConfigMap", "namespace": str(site.get("istio_namespace")), "name": str(site.get("mesh_configmap"))},
        {"kind": "Deployment", "namespace": str(site.get("istio_namespace")), "name": str(site.get("pilot"))},
    ]


def cluster_findings(site: Site, cluster: t.Mapping[str, t.Any]) -> list[str]:
    if not cluster:
        return []
    if "reachable" not in cluster:
        return [f"control node: the Kubernetes API cannot be asked: {cluster.get('msg')}"]
    if not cluster.get("reachable"):
        return [f"mesh_kubeconfig: {site.get('kubeconfig') or 'not set, so the default is used'}: {cluster.get('error')}"]
    found = [_denied(item) for item in cluster.get("denied") or []]
    for item in cluster.get("missing") or []:
        found.append(f"{item['kind']} {item['name']} in namespace {item['namespace']}: it does not exist. {_remedy(item)}")
    for item in cluster.get("unknown") or []:
        found.append(
            f"{item['kind']} {item['name']} in namespace {item['namespace']}: it may be missing, the user of "
            f"mesh_kubeconfig may not look. If it is missing: {_remedy(item)}"
        )
    return found


def findings(site: Site, hosts: Hosts, cluster: t.Mapping[str, t.Any]) -> list[str]:
    """Everything that would make the run fail, each line once, the site's variables first."""
    return list(dict.fromkeys([*site_findings(site), *host_findings(site, hosts), *cluster_findings(site, cluster)]))


def _right(resource: str, verbs: list[str], namespace: str = "", name: str = "", group: str = "") -> JsonObject:
    return {"resource": resource, "verbs": verbs, "namespace": namespace, "name": name, "group": group}


def _vm_namespaces(hosts: Hosts) -> list[str]:
    """Where VMs are registered."""
    found: set[str] = set()
    for host in hosts.values():
        for service in _services(host):
            found.add(str(service.get("namespace") or host.get("namespace") or "default"))
    return sorted(found)


def _identities(hosts: Hosts) -> list[tuple[str, str]]:
    """Namespace and service account of each VM: whose identity the VM gets."""
    return sorted({(str(host.get("namespace") or "default"), str(host.get("service_account") or "default")) for host in hosts.values() if host.get("is_vm")})


def _services(host: t.Mapping[str, t.Any]) -> list[t.Mapping[str, t.Any]]:
    services = host.get("services") if host.get("is_vm") else None
    return [item for item in services if isinstance(item, t.Mapping)] if isinstance(services, (list, tuple)) else []


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


def _remedy(item: t.Mapping[str, t.Any]) -> str:
    if item["kind"] == "Secret":
        account = str(item["name"]).split(".", 1)[1]
        return (
            f"Create the ServiceAccount {account} in that namespace, or correct mesh_vm_namespace and "
            "mesh_service_account; Citadel then makes the Secret within seconds if it runs."
        )
    if item["kind"] == "ConfigMap":
        return "Correct mesh_istio_namespace, or install Istio there."
    return "Correct mesh_istio_namespace, or set mesh_policy_pilot to the name of Pilot's Deployment."
