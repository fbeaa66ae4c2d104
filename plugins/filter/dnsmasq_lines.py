# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: dnsmasq_lines
short_description: The dnsmasq options of a VM beside the mesh names
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Where dnsmasq listens, and which name servers it asks for all other names.
  - It keeps those record types of mesh names to itself which it has no address for, and asks the cluster's DNS for the names of
    cluster addresses.
positional: _input, vip, service_cidr, upstreams, listen_address
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
  service_cidr:
    description: The cluster's Service CIDR.
    type: str
    required: true
  upstreams:
    description: Name servers for all other names.
    type: list
    elements: str
    required: true
  listen_address:
    description: The address that dnsmasq listens on.
    type: str
    default: 127.0.0.1
"""

EXAMPLES = r"""
- name: Show the options
  ansible.builtin.debug:
    msg: "{{ 'secure' | mesh.expansion.exposed_services | mesh.expansion.dnsmasq_lines('192.0.2.62', '10.96.0.0/12', ['192.0.2.53']) }}"
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
  sample: [listen-address=127.0.0.1, bind-interfaces, no-resolv, server=192.0.2.53]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def dnsmasq_lines(services: list[dict[str, t.Any]], vip: str, service_cidr: str, upstreams: list[str], listen_address: str = "127.0.0.1") -> list[str]:
    """Our own dnsmasq options."""
    try:
        return resolver.dnsmasq_lines(services, vip, service_cidr, upstreams, listen_address)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.dnsmasq_lines: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.dnsmasq_lines."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"dnsmasq_lines": dnsmasq_lines}
