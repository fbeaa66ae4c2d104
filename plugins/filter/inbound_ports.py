# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inbound_ports
short_description: The ports of a VM whose incoming connections go through the sidecar
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Derives the value of C(ISTIO_INBOUND_PORTS) from the services of a VM.
  - Refuses a management port, because with it captured nobody could log in any more.
positional: _input, management_ports
options:
  _input:
    description: The VM's services, each with C(name) and C(port).
    type: list
    elements: dict
    required: true
  management_ports:
    description: Ports that must never be captured.
    type: list
    elements: int
    default: [22]
"""

EXAMPLES = r"""
- name: Show the ports
  ansible.builtin.debug:
    msg: "{{ [{'name': 'web', 'port': 9080}] | mesh.expansion.inbound_ports }}"
"""

RETURN = r"""
_value:
  description: The ports, ascending, separated by commas.
  type: str
  sample: "9080"
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap


def inbound_ports(vm_services: list[dict[str, t.Any]], management_ports: t.Sequence[int] = (22,)) -> str:
    """The value of ISTIO_INBOUND_PORTS."""
    try:
        return bootstrap.inbound_ports(vm_services, management_ports)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.inbound_ports: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.inbound_ports."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inbound_ports": inbound_ports}
