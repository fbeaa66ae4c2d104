# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sidecar_env
short_description: The settings of the sidecar's sidecar.env that belong to a VM
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Returns what the sidecar must know about the VM itself, namely captured ports, ports that are never captured, its address and its namespace.
  - It also keeps the sidecar's scripts from replacing the host's IPv6 packet filter, which they do otherwise.
  - Refuses an address that a pod cannot reach, as loopback and link-local ones.
positional: _input, address, namespace, management_ports
options:
  _input:
    description: The VM's services, each with C(name) and C(port).
    type: list
    elements: dict
    required: true
  address:
    description: The VM's address as pods reach it.
    type: str
    required: true
  namespace:
    description: Namespace of the VM's services.
    type: str
    default: default
  management_ports:
    description: Ports that must never be captured.
    type: list
    elements: int
    default: [22]
"""

EXAMPLES = r"""
- name: Show the settings
  ansible.builtin.debug:
    msg: "{{ [{'name': 'web', 'port': 9080}] | mesh.expansion.sidecar_env('192.0.2.81') }}"
"""

RETURN = r"""
_value:
  description: Names and values.
  type: dict
  sample:
    ISTIO_INBOUND_PORTS: "9080"
    ISTIO_SVC_IP: 192.0.2.81
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap


def sidecar_env(vm_services: list[dict[str, t.Any]], address: str, namespace: str = "default", management_ports: t.Sequence[int] = (22,)) -> dict[str, str]:
    """The settings of sidecar.env."""
    try:
        return bootstrap.sidecar_env(vm_services, address, namespace, management_ports)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.sidecar_env: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.sidecar_env."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"sidecar_env": sidecar_env}
