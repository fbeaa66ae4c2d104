# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: resolv_conf
short_description: A resolv.conf with other name servers
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Makes the text of a C(resolv.conf) with the given name servers, keeping search list and options of the original.
positional: _input, servers, note
options:
  _input:
    description: Text of the original C(resolv.conf).
    type: str
    required: true
  servers:
    description: The name servers, in order.
    type: list
    elements: str
    required: true
  note:
    description: Comment for the first line.
    type: str
    default: Managed by mesh.expansion
"""

EXAMPLES = r"""
- name: Show the text
  ansible.builtin.debug:
    msg: "{{ 'search example.com' | mesh.expansion.resolv_conf(['127.0.0.1', '192.0.2.53']) }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def resolv_conf(text: str, servers: list[str], note: str = "Managed by mesh.expansion") -> str:
    """A resolv.conf with these name servers."""
    try:
        return resolver.resolv_conf(text, servers, note)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.resolv_conf: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.resolv_conf."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"resolv_conf": resolv_conf}
