# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_verified
short_description: What preflight saw, where a run has changed nothing since
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Tells what P(mesh.expansion.preflight#role) of the same run saw of directors and VMs, when that is all that
    verification would see - everything on them held, and the roles that ran since have changed nothing, on none of the
    hosts and not in the cluster.
positional: hostvars, groups
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
  groups:
    description: The hosts by group, which Ansible has as C(groups).
    type: dictionary
    required: true
"""

EXAMPLES = r"""
---
- name: Say whether anything has to be looked at again
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts_all | mesh.expansion.preflight_verified(hostvars, groups) | length == 0 }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - V(directors) as M(mesh.expansion.director_look) and V(vms) as M(mesh.expansion.verify_vm) would return them, by
      host, and as V(judge) one of these hosts.
    - Empty where verification has to look, at all of them.
  type: dictionary
"""

import typing as t


def preflight_verified(
    hosts: t.Sequence[str],
    hostvars: t.Mapping[str, t.Mapping[str, t.Any]],
    groups: t.Mapping[str, t.Sequence[str]],
) -> dict[str, t.Any]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import settled

    return settled.verified({host: hostvars.get(host) or {} for host in hosts}, groups)


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_verified": preflight_verified}
