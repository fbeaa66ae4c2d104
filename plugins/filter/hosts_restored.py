# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts_restored
short_description: A hosts file without the changes of the filter hosts_entry
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Takes out the lines that were added, brings back those that were taken out, and leaves alone what others changed since then.
positional: _input, written, original
options:
  _input:
    description: Text of the hosts file as it is now.
    type: str
    required: true
  written:
    description: Text of the file as it was left.
    type: str
    required: true
  original:
    description: Text of the file as it was before.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the text
  ansible.builtin.debug:
    msg: "{{ now | mesh.expansion.hosts_restored(written, original) }}"
  vars:
    original: 127.0.1.1 web1
    written: 192.0.2.81 web1
    now: "192.0.2.81 web1\n192.0.2.7 db1"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import resolver


def hosts_restored(text: str, written: str, original: str) -> str:
    """A hosts file without our changes."""
    try:
        return resolver.hosts_restored(text, written, original)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.hosts_restored: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.hosts_restored."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"hosts_restored": hosts_restored}
