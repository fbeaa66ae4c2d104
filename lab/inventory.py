"""The lab as an Ansible inventory, for the script inventory/lab/hosts: groups and the facts of the site.

Usage: python -m lab.inventory --list | --host NAME
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from lab import config
from lab.config import Host, Topology
from lab.errors import LabError

Json = dict[str, Any]
SERVICE_PORT = 9080


def inventory_name(site: Topology, host: Host) -> str:
    """A host must not have the name of a group: the directors are lvs1, lvs2, …"""
    return f"lvs{site.with_role('director').index(host) + 1}" if host.role == "director" else host.name


def host_vars(host: Host) -> Json:
    own: Json = {"ansible_host": host.address}
    if host.role == "vm":
        own["mesh_vm_services"] = [{"name": host.name, "port": SERVICE_PORT, "protocol": "http"}]
    return own


def site_vars(site: Topology) -> Json:
    """What the collection must know of the site."""
    package = f"http://{site.gateway}:{site.http_port}/istio-sidecar.deb"
    nodes = [host.name for host in site.with_role("node")]
    # As in the procedure: DNS is forwarded to all nodes, everything else to all but the first.
    others = {"nodes": nodes[1:] or nodes}
    return {
        "mesh_vip": site.vip,
        "mesh_service_cidr": site.service_cidr,
        "mesh_upstream_dns": [site.upstream_dns],
        "mesh_sidecar_package": package,
        "mesh_sidecar_checksum": f"sha256:{package}.sha256",
        "mesh_exposed_overrides": {f"istio-{name}-lb": others for name in ("mixer", "pilot", "citadel")},
    }


def inventory(site: Topology) -> Json:
    """The document that Ansible expects of `--list`."""
    vms = site.with_role("vm")
    groups = {
        "director": site.with_role("director"),
        "k8s_nodes": site.with_role("node"),
        "vms": [host for host in vms if not host.spare],
        "vms_spare": [host for host in vms if host.spare],  # not joined by site.yml; tests use it
    }
    return {
        "_meta": {"hostvars": {inventory_name(site, host): host_vars(host) for host in site.hosts}},
        "all": {"children": list(groups), "vars": site_vars(site)},
        **{group: {"hosts": [inventory_name(site, host) for host in members]} for group, members in groups.items()},
    }


def main(arguments: Sequence[str]) -> int:
    try:
        document = inventory(config.topology())
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
