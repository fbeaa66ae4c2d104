# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ipvs_table
short_description: Make the director's IPVS table for the exposed services
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns the O(mesh.expansion.ipvs_table#module:services) of the module M(mesh.expansion.ipvs_table), with one
    virtual service per exposed port, forwarded to the entry's nodes by direct routing.
positional: vip, nodes
options:
  _input:
    description: The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
    type: list
    elements: dictionary
    required: true
  vip:
    description: The virtual address.
    type: string
    required: true
  nodes:
    description:
      - Addresses of the nodes by name. An entry that names no nodes is forwarded to all of them.
      - They must be IP addresses of the same family as O(vip), since direct routing keeps the packet as it is.
    type: dictionary
    required: true
seealso:
  - plugin: mesh.expansion.exposed_services
    plugin_type: filter
  - module: mesh.expansion.ipvs_table
"""

EXAMPLES = r"""
---
- name: Load the table
  mesh.expansion.ipvs_table:
    services: >-
      {{ 'secure' | mesh.expansion.exposed_services
      | mesh.expansion.ipvs_table('192.168.0.62', {'node1': '192.168.0.71', 'node2': '192.168.0.72'}) }}
"""

RETURN = r"""
_value:
  description: The virtual services.
  type: list
  elements: dictionary
  sample:
    - tcp_service: 192.168.0.62:15011
      scheduler: wrr
      ops: false
      persistent: 0
      real_servers:
        - real_server: 192.168.0.71:15011
          forwarding: gatewaying
          weight: 1
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure


def ipvs_table(services: list[dict[str, t.Any]], vip: str, nodes: dict[str, str]) -> list[dict[str, t.Any]]:
    try:
        return exposure.ipvs_table(services, vip, nodes)
    except exposure.ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.ipvs_table: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ipvs_table": ipvs_table}
