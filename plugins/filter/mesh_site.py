# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_site
short_description: Read a part of the site from the variables mesh_*
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Parses the variables C(mesh_*) of a host and the inventory groups C(director), C(k8s_nodes) and C(vms) into one
    object, checks them, and gives one part of it. The defaults of all roles are made with it, so that no two of them
    can differ.
  - With C(mesh_nodes_from_cluster) the part V(nodes) is what the API says, matched to the group C(k8s_nodes) by
    address, as far as the role P(mesh.expansion.director#role) or P(mesh.expansion.preflight#role) has asked it in the
    same run. V(real_servers) says which of them have no host, which nodes may not be taken, and which hosts are no
    node.
  - A host has one address, C(mesh_vm_address), or else C(ansible_host), or else its name in the inventory.
  - A variable that the part needs and that is missing or cannot be used is an error that names the
    variable, its value and the way out.
  - Any variable C(mesh_*) may be given as a keyword, and then counts in place of the host's own.
positional: part
extends_documentation_fragment:
  - mesh.expansion._of_host
options:
  part:
    description:
      - What is wanted. V(self) is the host's own entry (address, namespace, service account, services),
        V(vms) are those of all VMs.
    type: string
    required: true
    choices:
      - self
      - vip
      - service_cidr
      - istio_namespace
      - dns_namespace
      - cluster_domain
      - trust_domain
      - control_plane
      - control_plane_auth
      - mesh_settings
      - mesh_configmap
      - control_plane_deployment
      - registration
      - registrations
      - plain_clients
      - upstream_dns
      - probe_names
      - exposed_services
      - gateway
      - tls_names
      - roots_namespace
      - network
      - label_network
      - exposure_backend
      - sidecar_package
      - sidecar_packages
      - sidecar_checksum
      - sidecar_allow_downgrade
      - kubeconfig
      - context
      - client
      - plain_client
      - expect
      - identity
      - revision
      - cluster_id
      - dns_mode
      - certificate_ttl
      - vm_to_pods
      - server
      - prune_after
      - prune_max
      - vm_rows
      - former
      - former_dns
      - report_path
      - picture
      - directors
      - nodes
      - real_servers
      - vms
      - vm_addresses
"""

EXAMPLES = r"""
---
- name: Show what is exposed on the virtual address
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.mesh_site('exposed_services') | map(attribute='name') }}"

- name: Show this host's address
  ansible.builtin.debug:
    msg: "{{ (inventory_hostname | mesh.expansion.mesh_site('self')).address }}"

- name: Show the names that a resolver is tried with, for another virtual address
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.mesh_site('probe_names', mesh_vip='192.0.2.62') }}"
"""

RETURN = r"""
_value:
  description: The part.
  type: raw
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import parts
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def mesh_site(context: t.Any, host: str, part: str, **given: t.Any) -> t.Any:
    try:
        if part == "self":
            return _variables.own(context, host).as_dict()
        found = parts.part(part)
        return parts.value_of(found, _variables.site(context, host, found.hosts, given, parts.unread(part)))
    except MeshError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_site": mesh_site}
