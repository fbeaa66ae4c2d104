# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_role_problems
short_description: Find wrong values of the roles' variables
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
positional: role
description:
  - Judges what the inventory and the command line set of the variables of the collection's roles by the roles'
    specifications of their arguments, and returns one line for each wrong value. A line names the role, the variable,
    the value and the hosts.
  - Ansible does the same when a role begins, on each host anew, and in the middle of a run. The
    collection's playbooks ask once for all hosts instead, before the first change.
  - Variables that a play or a task sets are not seen.
options:
  _input:
    description: Names of hosts in the inventory.
    type: list
    elements: string
    required: true
  role:
    description: The only role whose variables are judged; those of all roles when it is not given.
    type: string
    default: ""
"""

EXAMPLES = r"""
---
- name: Show wrong values
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | mesh.expansion.mesh_role_problems }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The lines; empty when the roles would accept all values.
  type: list
  elements: string
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def mesh_role_problems(context: t.Any, hosts: t.Sequence[str], role: str = "") -> list[str]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.plugin_utils import _role_variables

    roles = {role: _role_variables.options()[role]} if role else None
    return _role_variables.problems(_variables.of_hosts(context, hosts), roles)


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_role_problems": mesh_role_problems}
