# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_hosts
short_description: The hosts of a play, when the inventory has the groups of a site
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Makes the pattern for C(hosts) of a play from names of groups, and fails when the inventory lacks one of them or has
    no host in it. Without it a play whose group is misspelt is skipped, and the run ends well.
  - With no host but C(localhost) there is no inventory, as when the syntax of a playbook is checked, and nothing fails.
notes:
  - Ansible evaluates C(hosts) before it starts a process for each host, so the collection's Python code is read once
    instead of once for each task of each host.
positional: names, optional
options:
  _input:
    description: The groups of the inventory, which Ansible has as C(groups).
    type: dictionary
    required: true
  names:
    description: The groups that must be there, in order.
    type: list
    elements: string
    required: true
  optional:
    description: The groups that are in the pattern too, if they are there.
    type: list
    elements: string
    default: []
seealso:
  - plugin: mesh.expansion.mesh_site
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Look at the site
  hosts: "{{ groups | mesh.expansion.mesh_hosts(['director', 'k8s_nodes', 'vms']) }}"
  gather_facts: false
  roles:
    - role: mesh.expansion.preflight
"""

RETURN = r"""
_value:
  description: The pattern, such as C(director:k8s_nodes:vms).
  type: string
"""

import difflib
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.plugin_utils import _warm

NO_INVENTORY = ("localhost",)


def mesh_hosts(groups: t.Mapping[str, t.Sequence[str]], names: t.Sequence[str], optional: t.Sequence[str] = ()) -> str:
    if all(host in NO_INVENTORY for host in groups.get("all") or []):
        return ":".join(names)
    _warm.load()
    problems = [_problem(name, groups) for name in names if not groups.get(name)]
    if problems:
        raise AnsibleFilterError(" ".join(problems))
    return ":".join([*names, *(name for name in optional if groups.get(name))])


def _problem(name: str, groups: t.Mapping[str, t.Any]) -> str:
    if name in groups:
        return f"The group {name!r} of the inventory has no hosts: put them into it."
    known = [group for group in groups if group not in ("all", "ungrouped")]
    similar = difflib.get_close_matches(name, known, n=1)
    meant = f", only {similar[0]!r}: call that {name!r}" if similar else f": put its hosts into a group {name!r}"
    return f"The inventory has no group {name!r}{meant}."


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_hosts": mesh_hosts}
