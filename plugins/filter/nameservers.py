# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nameservers
short_description: The name servers of a resolv.conf that can serve as upstreams
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads the C(nameserver) lines and leaves out loopback addresses, which are local forwarders.
positional: _input
options:
  _input:
    description: Text of a C(resolv.conf).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the name servers
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', '/etc/resolv.conf') | mesh.expansion.nameservers }}"
"""

RETURN = r"""
_value:
  description: The addresses, each once, in order.
  type: list
  elements: str
  sample: [192.0.2.53]
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def nameservers(text: str) -> list[str]:
    """The usable name servers of a resolv.conf."""
    try:
        return resolver.nameservers(text)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.nameservers: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.nameservers."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"nameservers": nameservers}
