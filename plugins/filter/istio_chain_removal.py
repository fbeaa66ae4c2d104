# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: istio_chain_removal
short_description: What takes the sidecar's packet filter chains out
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads the output of C(iptables-save) and returns input for C(iptables-restore --noflush).
  - That removes the rules and chains which the sidecar's scripts made, and nothing else.
  - Empty if there are none.
positional: _input
options:
  _input:
    description: Output of C(iptables-save).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the input
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.pipe', 'iptables-save') | mesh.expansion.istio_chain_removal }}"
"""

RETURN = r"""
_value:
  description: The input, or an empty text.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap


def istio_chain_removal(saved: str) -> str:
    """Input of iptables-restore that removes the chains."""
    try:
        return bootstrap.chain_removal(saved)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.istio_chain_removal: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.istio_chain_removal."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"istio_chain_removal": istio_chain_removal}
