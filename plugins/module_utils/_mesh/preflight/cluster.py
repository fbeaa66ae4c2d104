# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role asks the Kubernetes API, and says about the answers. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..bootstrap.control_plane import ROOT_CONFIGMAP, plain, suffixed
from ..errors import MeshError
from ..exposure.backends import AUTO as BY_VERSION
from ..exposure.backends import EXTERNAL_IPS, LOAD_BALANCER, choose
from ..exposure.istiod import GATEWAY_DEPLOYMENT
from ..generations.model import TOKEN
from ..nodes import KIND as NODE
from ..register.rights import drain, needed
from ..register.services import AUTO, SELECTING
from ..site import Site
from . import clients as client_pods
from . import control_plane
from . import services as fronts

JsonObject = t.Dict[str, t.Any]


def required_access(site: Site, configmap: str, deployment: str) -> list[JsonObject]:
    """Exactly the rights that the roles use. docs/rbac.yaml grants them; a unit test compares the two."""
    istio = site.istio_namespace
    return [
        *_exposure(site),
        # registration
        *(
            _right(resource, verbs, namespace, group=group)
            for namespace in _vm_namespaces(site)
            for group, resource, verbs in [*needed(site.registration, site.plain_clients), *drain(site.registration)]
        ),
        *(_tokens(site) if site.generation.identity == TOKEN else _secrets(site)),
        # mesh_policy
        *(
            [
                _right("configmaps", ["get", "update"], istio, configmap),
                _right("deployments", ["get", "patch"], istio, deployment, group="apps"),
            ]
            if site.generation.mesh_settings
            else []
        ),
        *_verification(site),
        *([_right("nodes", ["list"])] if site.nodes_from_cluster else []),
    ]


def _exposure(site: Site) -> list[JsonObject]:
    """Finds its Services by label in all namespaces, applies them server-side."""
    istio = site.istio_namespace
    try:
        namespaces = sorted({entry["namespace"] for entry in site.exposed_services()})
    except MeshError:
        # Said as a finding of its own.
        namespaces = [istio]
    return [
        _right("services", ["list"]),
        *(_right("services", ["get", "create", "patch", "delete"], namespace) for namespace in namespaces),
        # A load balancer's status, which no controller writes here.
        *(
            _right("services/status", ["patch"], namespace)
            for namespace in namespaces
            if site.exposure_backend != EXTERNAL_IPS
        ),
        # The label of the pods' network, read or written.
        *(
            [_right("namespaces", ["get", *(["patch"] if site.label_network else [])], name=istio)]
            if site.vm_to_pods
            else []
        ),
        *(
            [
                _right("deployments", ["list"], istio, group="apps"),
                _right("deployments", ["patch"], istio, GATEWAY_DEPLOYMENT, group="apps"),
            ]
            if site.vm_to_pods and site.label_network
            else []
        ),
    ]


def _secrets(site: Site) -> list[JsonObject]:
    """istio_sidecar: the identities, each by its own name."""
    return [
        _right("secrets", ["get"], namespace, site.generation.identity_secret(account))
        for namespace, account in _identities(site)
    ]


def _tokens(site: Site) -> list[JsonObject]:
    """istio_sidecar: what a VM's bootstrap files are made of, and a token for its first certificate."""
    istio, revision = site.istio_namespace, plain(site.revision)
    names = [suffixed(name, revision) for name in (site.generation.mesh_configmap, "istio-sidecar-injector")]
    return [
        *(_right("configmaps", ["get"], istio, name) for name in names),
        # preflight: which revisions there are, and the gateway.
        _right("deployments", ["list"], istio, group="apps"),
        *(_right("configmaps", ["get"], namespace, ROOT_CONFIGMAP) for namespace in _own_namespaces(site)),
        *(
            _right("workloadgroups", ["get", "list"], namespace, group="networking.istio.io")
            for namespace in _own_namespaces(site)
            if site.registration == AUTO
        ),
        *(
            right
            for namespace, account in _identities(site)
            for right in (
                _right("serviceaccounts", ["get"], namespace, account),
                _right("serviceaccounts/token", ["create"], namespace, account),
            )
        ),
    ]


def _verification(site: Site) -> list[JsonObject]:
    """verify: requests to the VM from pods."""
    pods = [site.client, *([site.plain_client] if site.plain_client and site.plain_clients else [])]
    clients = sorted({str(client.get("namespace") or "default") for client in pods})
    tokens = site.generation.identity == TOKEN
    entries = _vm_namespaces(site) if tokens and site.registration in SELECTING else []
    policies = sorted({site.istio_namespace, *_vm_namespaces(site)}) if tokens and site.plain_clients else []
    return [
        *(_right("pods", ["get", "list"], client) for client in clients),
        *(_right("pods/exec", ["get", "create"], client) for client in clients),
        *(_right("workloadentries", ["list"], namespace, group="networking.istio.io") for namespace in entries),
        *(_right("peerauthentications", ["list"], namespace, group="security.istio.io") for namespace in policies),
    ]


def required_objects(site: Site, configmap: str, deployment: str) -> list[JsonObject]:
    """What must be there before the first change."""
    secret, namespace = site.generation.identity_secret, site.istio_namespace
    if site.generation.identity == TOKEN:
        # With the others the accounts are made that are missing.
        accounts = _identities(site) if site.registration not in SELECTING else []
        return [
            *({"kind": "ConfigMap", "namespace": where, "name": ROOT_CONFIGMAP} for where in _own_namespaces(site)),
            *({"kind": "ServiceAccount", "namespace": where, "name": account} for where, account in accounts),
        ]
    return [
        *({"kind": "Secret", "namespace": where, "name": secret(account)} for where, account in _identities(site)),
        {"kind": "ConfigMap", "namespace": namespace, "name": configmap},
        {"kind": "Deployment", "namespace": namespace, "name": deployment},
    ]


def required_documents(site: Site) -> list[JsonObject]:
    """What is read before the first change."""
    own = control_plane.documents(site, _own_namespaces(site))
    nodes = [{"kind": NODE}] if site.nodes_from_cluster else []
    return [*own, *fronts.documents(site), *client_pods.documents(site), *nodes]


def required_exposure(site: Site, adopt: bool) -> JsonObject | None:
    """What the API server is asked to take, without effect; None where the variables are not good for it."""
    needed = {"mesh_vip", "mesh_exposure_backend", "mesh_exposed_services", "mesh_control_plane"}
    if needed & {problem.variable for problem in site.problems}:
        return None
    try:
        services = site.exposed_services()
    except MeshError:
        return None
    return {"vip": site.vip, "services": services, "backend": site.exposure_backend, "adopt": adopt}


def backend(site: Site, cluster: t.Mapping[str, t.Any]) -> str:
    """How the nodes are made to accept the virtual address, as far as that can be told."""
    version = str(cluster.get("version") or "")
    return site.exposure_backend if site.exposure_backend != BY_VERSION or not version else choose(BY_VERSION, version)


def cluster_findings(site: Site, cluster: t.Mapping[str, t.Any]) -> list[str]:
    if not cluster:
        return []
    if "reachable" not in cluster:
        reason = cluster.get("msg") or "the module kube_access_info ended without saying why. Run again with -vvv."
        return [f"control node: the Kubernetes API cannot be asked: {reason}"]
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
    found += _exposed(site, cluster)
    read = cluster.get("documents") or []
    documents = (control_plane, fronts, client_pods)
    return [*found, *(line for part in documents for line in part.findings(site, read)), *_elsewhere(site)]


def _exposed(site: Site, cluster: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """What would be in the way of the exposed Services: admission, or another controller."""
    way = backend(site, cluster)
    refused = str(cluster.get("refused") or "")
    if refused:
        other = choose(BY_VERSION, str(cluster.get("version") or "")) == LOAD_BALANCER and way == EXTERNAL_IPS
        hint = f" Or set mesh_exposure_backend: {LOAD_BALANCER}, which needs no external addresses." if other else ""
        yield f"mesh_exposure_backend: with {way}, the cluster would not take the exposed Services. {refused}{hint}"
    for item in (cluster.get("claimed") or []) if way == LOAD_BALANCER else []:
        where = f"-n {item['namespace']} patch service {item['name']} --subresource=status --type merge"
        status = f'{{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{site.vip}","ipMode":"VIP"}}]}}}}}}'
        yield (
            f"Service {item['name']} in namespace {item['namespace']}: {', '.join(item['managers'])} says to be its "
            f"load balancer, at {', '.join(item['addresses'])}. Have that controller serve its own loadBalancerClass "
            f"only, then: kubectl {where} -p '{status}'; or set mesh_exposure_backend: {EXTERNAL_IPS}."
        )


def _elsewhere(site: Site) -> t.Iterator[str]:
    """istiod registers a VM in its own namespace only."""
    for vm in site.vms.values() if site.registration == AUTO else ():
        for item in _services(vm.services):
            if item.get("namespace") not in (None, "", vm.namespace):
                yield (
                    f"{vm.name}: mesh_vm_services: {item.get('name')} is in namespace {item['namespace']}, but with "
                    f"mesh_registration {AUTO} a VM is registered in its own, which is {vm.namespace}. Leave the "
                    "namespace of the service out, or set mesh_vm_namespace to it."
                )


def _right(resource: str, verbs: list[str], namespace: str = "", name: str = "", group: str = "") -> JsonObject:
    kind, _slash, subresource = resource.partition("/")
    found = {"resource": kind, "verbs": verbs, "namespace": namespace, "name": name, "group": group}
    return {**found, "subresource": subresource} if subresource else found


def _vm_namespaces(site: Site) -> list[str]:
    """Where VMs are registered."""
    services = [(vm, item) for vm in site.vms.values() for item in _services(vm.services)]
    return sorted({str(item.get("namespace") or vm.namespace) for vm, item in services})


def _own_namespaces(site: Site) -> list[str]:
    """Where VMs have their identity."""
    return sorted({vm.namespace for vm in site.vms.values()})


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
    if item["kind"] == "ServiceAccount":
        return "Create it, or correct mesh_vm_namespace and mesh_service_account."
    if item["kind"] == "ConfigMap" and item["name"] == ROOT_CONFIGMAP:
        return (
            "istiod writes it into every namespace that it serves: correct mesh_vm_namespace, create the namespace, or "
            "see whether istiod runs and is meant for it (discoverySelectors)."
        )
    if item["kind"] == "ConfigMap":
        return "Correct mesh_istio_namespace, or install Istio there."
    return "Correct mesh_istio_namespace, or set mesh_policy_pilot to the name of Pilot's Deployment."
