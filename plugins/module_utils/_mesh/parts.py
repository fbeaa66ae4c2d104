# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a site by name: what a role's defaults ask for. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .errors import MeshError
from .generations.model import VM
from .problems import seconds
from .site import Site

_EXPOSED = (
    "mesh_control_plane",
    "mesh_exposed_profile",
    "mesh_exposed_services",
    "mesh_istio_namespace",
    "mesh_dns_namespace",
    "mesh_cluster_domain",
    "mesh_revision",
    "mesh_network",
    "mesh_vm_to_pods",
    "mesh_dns_mode",
    "mesh_migrate_from",
)
_NODES = ("mesh_nodes_from_cluster", "mesh_nodes_unmanaged")


class Part(t.NamedTuple):
    """How a part is made, and the variables that must be right for it."""

    value: t.Callable[[Site], t.Any]
    needs: t.Sequence[str] = ()
    # Whether the other hosts of the inventory are looked at.
    hosts: bool = False


PARTS: dict[str, Part] = {
    "vip": Part(lambda site: site.vip, ["mesh_vip"]),
    "service_cidr": Part(lambda site: site.service_cidr, ["mesh_service_cidr"]),
    "istio_namespace": Part(lambda site: site.istio_namespace, ["mesh_istio_namespace"]),
    "dns_namespace": Part(lambda site: site.dns_namespace, ["mesh_dns_namespace"]),
    "cluster_domain": Part(lambda site: site.cluster_domain, ["mesh_cluster_domain"]),
    "trust_domain": Part(lambda site: site.trust_domain, ["mesh_trust_domain"]),
    "control_plane": Part(lambda site: site.generation.name, ["mesh_control_plane"]),
    "control_plane_auth": Part(lambda site: site.control_plane_auth, ["mesh_control_plane_auth"]),
    "mesh_settings": Part(lambda site: dict(site.generation.mesh_settings), ["mesh_control_plane"]),
    "mesh_configmap": Part(lambda site: site.generation.mesh_configmap, ["mesh_control_plane"]),
    "control_plane_deployment": Part(lambda site: site.generation.control_plane_deployment, ["mesh_control_plane"]),
    "registration": Part(lambda site: site.registration, ["mesh_registration", "mesh_control_plane"]),
    "registrations": Part(lambda site: list(site.generation.registrations), ["mesh_control_plane"]),
    "plain_clients": Part(lambda site: site.plain_clients, ["mesh_plain_clients"]),
    "upstream_dns": Part(lambda site: list(site.upstream_dns), ["mesh_upstream_dns"]),
    "probe_names": Part(
        Site.probe_names,
        ["mesh_vip", "mesh_control_plane", "mesh_revision", "mesh_istio_namespace", "mesh_cluster_domain"],
    ),
    "exposed_services": Part(Site.exposed_services, _EXPOSED),
    "gateway": Part(Site.gateway, _EXPOSED),
    "tls_names": Part(
        Site.tls_names, ["mesh_control_plane", "mesh_revision", "mesh_istio_namespace", "mesh_migrate_from"]
    ),
    "roots_namespace": Part(Site.roots_namespace, ["mesh_istio_namespace"], hosts=True),
    "network": Part(lambda site: site.network, ["mesh_network"]),
    "label_network": Part(lambda site: site.label_network, ["mesh_label_network", "mesh_network"]),
    "exposure_backend": Part(lambda site: site.exposure_backend, ["mesh_exposure_backend", "mesh_control_plane"]),
    "sidecar_package": Part(lambda site: site.sidecar_package, ["mesh_sidecar_package"]),
    "sidecar_packages": Part(lambda site: dict(site.packages), hosts=True),
    "sidecar_checksum": Part(lambda site: site.sidecar_checksum, ["mesh_sidecar_checksum"]),
    "sidecar_allow_downgrade": Part(lambda site: site.sidecar_allow_downgrade, ["mesh_sidecar_allow_downgrade"]),
    "kubeconfig": Part(lambda site: site.kubeconfig),
    "context": Part(lambda site: site.context),
    "client": Part(lambda site: dict(site.client)),
    "plain_client": Part(lambda site: dict(site.plain_client)),
    "expect": Part(lambda site: site.expect),
    "identity": Part(lambda site: site.generation.identity, ["mesh_control_plane"]),
    "revision": Part(lambda site: site.revision),
    "cluster_id": Part(lambda site: site.cluster_id),
    "dns_mode": Part(lambda site: site.dns_mode, ["mesh_dns_mode", "mesh_control_plane", "mesh_migrate_from"]),
    # Of the rows of verification those that are judged on a VM alone.
    "vm_rows": Part(lambda site: [row.id for row in site.generation.rows if row.scope == VM], ["mesh_control_plane"]),
    "former": Part(lambda site: site.former.generation.name if site.former else "", ["mesh_migrate_from"]),
    # How a VM resolved names there, for one that goes back.
    "former_dns": Part(lambda site: site.former.resolving() if site.former else {}, ["mesh_migrate_from", "mesh_vip"]),
    "certificate_ttl": Part(lambda site: site.certificate_ttl, ["mesh_certificate_ttl"]),
    "vm_to_pods": Part(lambda site: site.vm_to_pods, ["mesh_vm_to_pods"]),
    "server": Part(lambda site: site.server, ["mesh_verify_server"]),
    "report_path": Part(lambda site: site.report_path, ["mesh_report_path"]),
    # What a report draws.
    "picture": Part(Site.picture, [*_EXPOSED, "mesh_vip"], hosts=True),
    "prune_after": Part(lambda site: seconds(site.prune_after), ["mesh_prune_after"]),
    "prune_max": Part(lambda site: int(site.prune_max), ["mesh_prune_max"]),
    "directors": Part(
        lambda site: [{"name": name, "address": host.address} for name, host in site.directors.items()], hosts=True
    ),
    "nodes": Part(Site.node_addresses, _NODES, hosts=True),
    "real_servers": Part(lambda site: site.real_servers.as_dict(), _NODES, hosts=True),
    "vms": Part(lambda site: [vm.as_dict() for vm in site.vms.values()], hosts=True),
    "vm_addresses": Part(lambda site: list(dict.fromkeys(vm.address for vm in site.vms.values())), hosts=True),
}


# Variables that one part is made of, and no other part or judgement. The others are made without reading them: a value
# with lookups, as inventories often have for a kubeconfig, takes longer than all the rest of a part.
ALONE = {
    "mesh_kubeconfig": "kubeconfig",
    "mesh_kube_context": "context",
    "mesh_verify_client": "client",
    "mesh_verify_expect": "expect",
    "mesh_sidecar_checksum": "sidecar_checksum",
}


def unread(name: str) -> frozenset[str]:
    """The variables that need not be read for a part."""
    return frozenset(variable for variable, owner in ALONE.items() if owner != name)


def part(name: str) -> Part:
    if name not in PARTS:
        raise MeshError(f"a site has no part {name!r}; there are {', '.join(sorted(PARTS))}")
    return PARTS[name]


def value_of(found: Part, site: Site) -> t.Any:
    """The part's value, or the first problem of a variable that it needs."""
    for problem in site.problems:
        if problem.variable in found.needs:
            raise MeshError(problem.text)
    return found.value(site)
