# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_entry
short_description: A hosts file in which the host name means a given address
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Adds the line for the address and takes the name off IPv4 loopback lines, because the first line that has a name wins.
  - Names beside the host name on a line of V(127.0.1.1) move to the new line.
positional: _input, address, hostname
options:
  _input:
    description: Text of the original C(/etc/hosts).
    type: str
    required: true
  address:
    description: The host's own address.
    type: str
    required: true
  hostname:
    description: The host's name.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the text
  ansible.builtin.debug:
    msg: "{{ '127.0.1.1 web1.example.com web1' | mesh.expansion.hosts_entry('192.0.2.81', 'web1') }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
  sample: "192.0.2.81 web1.example.com web1"
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def hosts_entry(text: str, address: str, hostname: str) -> str:
    """A hosts file with the line for this host."""
    try:
        return resolver.hosts_entry(text, address, hostname)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.hosts_entry: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.hosts_entry."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"hosts_entry": hosts_entry}
