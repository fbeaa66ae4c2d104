# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: vip_interface
short_description: Find the interface whose subnet holds the virtual address
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns the name of the host's interface that has an address in the subnet of the virtual address.
  - The filter fails when no interface has one, or when several have one in an equally long prefix.
positional: vip
options:
  _input:
    description: The facts of the host, with the network subset.
    type: dictionary
    required: true
  vip:
    description: The virtual address.
    type: string
    required: true
"""

EXAMPLES = r"""
---
- name: Show where the virtual address belongs
  ansible.builtin.debug:
    msg: "{{ ansible_facts | mesh.expansion.vip_interface('192.168.0.62') }}"
"""

RETURN = r"""
_value:
  description: Name of the interface.
  type: string
  sample: eth0
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.vip import vip_interface as find_interface


def vip_interface(facts: dict[str, t.Any], vip: str) -> str:
    try:
        return find_interface(facts, vip)
    except ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.vip_interface: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"vip_interface": vip_interface}
