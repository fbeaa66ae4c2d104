# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_findings
short_description: Decide what would make a run fail
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Takes what the role P(mesh.expansion.preflight#role) gathered and returns one line for each finding. A line names the
    variable or object, its value, and the fix.
positional: hosts, cluster
options:
  _input:
    description: The site's variables, as the role passes them.
    type: dictionary
    required: true
  hosts:
    description: What was found on each host, by inventory name.
    type: dictionary
    required: true
  cluster:
    description: What M(mesh.expansion.kube_access_info) returned; empty when it was not asked.
    type: dictionary
    default: {}
"""

EXAMPLES = r"""
---
- name: Show what is wrong with the variables
  ansible.builtin.debug:
    msg: "{{ {'vip': '192.168.0.62'} | mesh.expansion.preflight_findings({}) }}"
"""

RETURN = r"""
_value:
  description: The findings; empty when nothing is in the way.
  type: list
  elements: string
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import findings


def preflight_findings(site: dict[str, t.Any], hosts: dict[str, t.Any], cluster: dict[str, t.Any] | None = None) -> list[str]:
    return findings(site, hosts, cluster or {})


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_findings": preflight_findings}
