# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kubedns_lines
short_description: The dnsmasq options that make mesh names resolvable on a VM
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Derives from the list of exposed services the zone that the cluster's DNS answers for, and the names that
    answer with the virtual address.
  - Each name is given alone and with its namespace.
positional: _input, vip
options:
  _input:
    description: The exposed services, as the filter P(mesh.expansion.exposed_services#filter) returns them.
    type: list
    elements: dict
    required: true
  vip:
    description: The virtual IP address that the control plane answers on.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the lines
  ansible.builtin.debug:
    msg: "{{ 'secure' | mesh.expansion.exposed_services | mesh.expansion.kubedns_lines('192.0.2.62') }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample:
    - server=/svc.cluster.local/192.0.2.62
    - address=/istio-pilot/192.0.2.62
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def kubedns_lines(services: list[dict[str, t.Any]], vip: str) -> list[str]:
    """The lines of the file kubedns."""
    try:
        return resolver.kubedns_lines(services, vip)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.kubedns_lines: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.kubedns_lines."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"kubedns_lines": kubedns_lines}
