# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ipvs_node_plan
short_description: Plan how a node is taken out of an IPVS table, and put back
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Finds one node's real servers in all virtual services, and returns what M(mesh.expansion.ipvs_table) has to be called
    with, together with C(purge=none), to drain them and to give them their weights back.
positional: address, weights
options:
  _input:
    description: Virtual services, as M(mesh.expansion.ipvs_table) takes them or M(mesh.expansion.ipvs_info) returns them.
    type: list
    elements: dictionary
    required: true
  address:
    description: Address of the node.
    type: string
    required: true
  weights:
    description: The weights to go back to, as RV(_value.weights) had them before. Without one it is 1.
    type: dictionary
    default: {}
"""

EXAMPLES = r"""
---
- name: Drain a node
  mesh.expansion.ipvs_table:
    services: "{{ (ipvs.services | mesh.expansion.ipvs_node_plan('192.168.0.72')).drain }}"
    purge: none
"""

RETURN = r"""
_value:
  description: The plan.
  type: dictionary
  contains:
    drain:
      description: The node's services, with its real servers only, as drained.
      type: list
      elements: dictionary
    undrain:
      description: The node's services, with its real servers only, with the weights to go back to.
      type: list
      elements: dictionary
    undrained:
      description: All services with all real servers, with the weights to go back to.
      type: list
      elements: dictionary
    weights:
      description: The weights that the node's real servers have now, by service and real server.
      type: dictionary
      sample:
        tcp 192.168.0.62:15011:
          192.168.0.72:15011: 1
    last_of:
      description: The services that no other real server would take connections for.
      type: list
      elements: string
      sample: [tcp 192.168.0.62:15011]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import drain
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import ValidationError


def ipvs_node_plan(services: list[dict[str, t.Any]], address: str, weights: dict[str, dict[str, int]] | None = None) -> dict[str, t.Any]:
    try:
        return drain.node_plan(services, address, weights)
    except ValidationError as exc:
        raise AnsibleFilterError(f"mesh.expansion.ipvs_node_plan: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ipvs_node_plan": ipvs_node_plan}
