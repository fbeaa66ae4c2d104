# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: ipvs_drained
short_description: Give the real servers at some addresses the weight 0
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns the virtual services with the weight 0 for all real servers at the given addresses, and without counters.
positional: addresses
options:
  _input:
    description: Virtual services, as M(mesh.expansion.ipvs_table) takes them or
      M(mesh.expansion.ipvs_info) returns them.
    type: list
    elements: dictionary
    required: true
  addresses:
    description: Addresses of the nodes that are out of service.
    type: list
    elements: string
    required: true
"""

EXAMPLES = r"""
---
- name: Load a table without new connections for one node
  mesh.expansion.ipvs_table:
    services: "{{ wanted_services | mesh.expansion.ipvs_drained(['192.168.0.72']) }}"
"""

RETURN = r"""
_value:
  description: The virtual services.
  type: list
  elements: dictionary
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import drain
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import ValidationError


def ipvs_drained(services: list[dict[str, t.Any]], addresses: list[str]) -> list[dict[str, t.Any]]:
    try:
        return drain.drained(services, addresses)
    except ValidationError as exc:
        raise AnsibleFilterError(f"mesh.expansion.ipvs_drained: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"ipvs_drained": ipvs_drained}
