# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_unsettled
short_description: The hosts where a role has something to do
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Chooses, for C(hosts) of a play, the hosts where the role P(mesh.expansion.preflight#role) of the same run saw that
    another role has something to do, or looked at nothing.
positional: hostvars, role
options:
  _input:
    description: The hosts.
    type: list
    elements: string
    required: true
  hostvars:
    description: What is known of the hosts, which Ansible has as C(hostvars) unless it only checks the syntax.
    type: dictionary
    required: true
  role:
    description: The role. Where P(mesh.expansion.dnsmasq#role) has something to do, the sidecar is looked at anew.
    type: string
    choices: [director, real_server, dnsmasq, istio_sidecar]
    required: true
"""

EXAMPLES = r"""
---
- name: Give the VMs their DNS
  hosts: "{{ groups['vms'] | mesh.expansion.preflight_unsettled(hostvars | default({}), 'dnsmasq') }}"
  roles:
    - role: mesh.expansion.dnsmasq
"""

RETURN = r"""
_value:
  description: Names of the hosts, in their order.
  type: list
  elements: string
"""

import typing as t


def preflight_unsettled(
    hosts: t.Sequence[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]], role: str
) -> list[str]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import settled

    # Where only the syntax is checked, nothing is known of any host.
    return [host for host in hosts if settled.has_work(role, hostvars.get(host) or {})]


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_unsettled": preflight_unsettled}
