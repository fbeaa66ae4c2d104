# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_untouched
short_description: Whether a run has changed nothing since preflight
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Tells whether the roles that ran after P(mesh.expansion.preflight#role) in the same run have changed nothing, on
    none of the hosts and not in the cluster. Then what preflight saw of a VM is what verification would see.
positional: hostvars, vms
options:
  _input:
    description: The hosts of the run.
    type: list
    elements: string
    required: true
  hostvars:
    description: What is known of the hosts, which Ansible has as C(hostvars).
    type: dictionary
    required: true
  vms:
    description: The VMs. One that preflight has not looked at counts as changed.
    type: list
    elements: string
    required: true
"""

EXAMPLES = r"""
---
- name: Say whether anything was changed
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | mesh.expansion.preflight_untouched(hostvars, groups['vms']) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: Whether nothing was changed.
  type: boolean
"""

import typing as t


def preflight_untouched(
    hosts: t.Sequence[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], vms: t.Sequence[str]
) -> bool:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import settled

    return settled.untouched(vms, {host: hostvars.get(host) or {} for host in hosts})


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_untouched": preflight_untouched}
