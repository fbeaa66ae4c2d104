"""The lab as an Ansible inventory, for the script inventory/lab/hosts: groups and the facts of the site.

Usage: python -m lab.inventory --list | --host NAME
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from lab import config
from lab.build import istio
from lab.config import Host, Topology
from lab.errors import LabError
from lab.istio import packages

Json = dict[str, Any]
SERVICE_PORT = 9080
PROBE = {"periodSeconds": 1, "httpGet": {"path": "/", "port": SERVICE_PORT}}


def inventory_name(site: Topology, host: Host) -> str:
    """A host must not have the name of a group: the directors are lvs1, lvs2, …"""
    return f"lvs{site.with_role('director').index(host) + 1}" if host.role == "director" else host.name


def host_vars(host: Host, istiod: bool = False) -> Json:
    own: Json = {"ansible_host": host.address}
    if host.role == "vm":
        own["mesh_vm_services"] = [{"name": host.name, "port": SERVICE_PORT, "protocol": "http"}]
        if istiod:
            # An identity of its own, so that policies tell one VM from another.
            own["mesh_service_account"] = host.name
    return own


def site_vars(site: Topology, istiod: bool = False) -> Json:
    """What the collection must know of the site."""
    name = f"istio/{packages.file_name(istio.VERSION)}" if istiod else "istio-sidecar.deb"
    package = f"http://{site.gateway}:{site.http_port}/{name}"
    return {
        "mesh_vip": site.vip,
        "mesh_service_cidr": site.service_cidr,
        "mesh_upstream_dns": [site.upstream_dns],
        "mesh_sidecar_package": package,
        "mesh_sidecar_checksum": f"sha256:{package}.sha256",
        **(istiod_vars() if istiod else citadel_vars(site)),
    }


def citadel_vars(site: Topology) -> Json:
    """As in the procedure, whose list of ports and persistence is not the collection's default: DNS is forwarded to all
    nodes, everything else to all but the first."""
    nodes = [host.name for host in site.with_role("node")]
    others = {"nodes": nodes[1:] or nodes}
    return {
        "mesh_control_plane": "citadel",
        "mesh_exposed_profile": "reference",
        "mesh_exposed_overrides": {f"istio-{name}-lb": others for name in ("mixer", "pilot", "citadel")},
        "mesh_verify_client": {"namespace": "default", "selector": "app=sleep"},
    }


def istiod_vars() -> Json:
    """Everything that is on offer: both directions, and clients without a sidecar. The pods' network is what the
    namespace's label says."""
    return {
        "mesh_control_plane": "istiod",
        "mesh_vm_to_pods": True,
        "mesh_vm_probe": PROBE,
        "mesh_plain_clients": True,
        "mesh_verify_client": {"namespace": "default", "selector": "app=client", "container": "client"},
        "mesh_verify_plain_client": {"namespace": "default", "selector": "app=sleep"},
        "mesh_verify_server": "http://server.default:8080/",
    }


def inventory(site: Topology, istiod: bool = False) -> Json:
    """The document that Ansible expects of `--list`."""
    vms = site.with_role("vm")
    groups = {
        "director": site.with_role("director"),
        "k8s_nodes": site.with_role("node"),
        "vms": [host for host in vms if not host.spare],
        "vms_spare": [host for host in vms if host.spare],  # not joined by site.yml; tests use it
    }
    return {
        "_meta": {"hostvars": {inventory_name(site, host): host_vars(host, istiod) for host in site.hosts}},
        "all": {"children": list(groups), "vars": site_vars(site, istiod)},
        **{group: {"hosts": [inventory_name(site, host) for host in members]} for group, members in groups.items()},
    }


def main(arguments: Sequence[str]) -> int:
    try:
        # Where both are, the VMs join the procedure's, from which they can move on.
        document = inventory(config.topology(), not config.shape().has_standins)
        match arguments:
            case ["--list"]:
                print(json.dumps(document, indent=2))
            case ["--host", name] if name in document["_meta"]["hostvars"]:
                print(json.dumps(document["_meta"]["hostvars"][name], indent=2))
            case ["--host", name]:
                raise LabError(f"no host {name!r}; there are: {', '.join(document['_meta']['hostvars'])}")
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except LabError as error:
        print(f"inventory/lab/hosts: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
