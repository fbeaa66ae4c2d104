# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_registrations
short_description: Make the batch for istio_register from the VMs of an inventory
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Merges what the virtual machines of an inventory offer into one entry per Kubernetes Service, in the form that
    M(mesh.expansion.istio_register) takes.
  - Fails with the name of the machine when an entry is incomplete or contradicts another one.
positional: namespace, service_account, plain_clients, backend
options:
  _input:
    description:
      - The machines, each with C(name), C(address) and C(services), and optionally C(namespace), C(service_account)
        and C(workload).
      - A service has C(name), C(port) and C(protocol), and optionally C(port_name), C(namespace), C(service_account),
        C(selector) and C(probe).
      - C(workload) is a mapping with what M(mesh.expansion.istio_register) takes for each endpoint beyond that,
        C(weight), C(locality), C(network), C(labels), C(group) and C(probe).
    type: list
    elements: dictionary
    required: true
  namespace:
    description: Namespace for services that name none.
    type: string
    default: default
  service_account:
    description: ServiceAccount for services that name none.
    type: string
    default: default
  plain_clients:
    description: Whether pods without a sidecar shall reach the machines, too.
    type: boolean
    default: false
    version_added: "1.1.0"
  backend:
    description:
      - The backend that the batch is for. For V(auto) each machine is in the group that is named as its first service,
        with a probe that connects to that service's port, unless its C(workload) or a C(probe) of its services says
        otherwise.
    type: string
    default: ""
    version_added: "1.1.0"
seealso:
  - module: mesh.expansion.istio_register
"""

EXAMPLES = r"""
---
- name: Show the batch
  ansible.builtin.debug:
    msg: "{{ vms | mesh.expansion.mesh_registrations }}"
  vars:
    vms:
      - name: deb-nginx01
        address: 192.168.0.81
        services:
          - name: deb-nginx01
            port: 9080
            protocol: http
"""

RETURN = r"""
_value:
  description: The services for M(mesh.expansion.istio_register).
  type: list
  elements: dictionary
"""

import typing as t

from ansible.errors import AnsibleFilterError


def mesh_registrations(
    hosts: list[dict[str, t.Any]],
    namespace: str = "default",
    service_account: str = "default",
    plain_clients: bool = False,
    backend: str = "",
) -> list[dict[str, t.Any]]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.hosts import registrations
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError

    try:
        return registrations(hosts, namespace, service_account, plain_clients, backend)
    except RegistrationError as exc:
        raise AnsibleFilterError(f"mesh.expansion.mesh_registrations: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_registrations": mesh_registrations}
