# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_questions
short_description: List what a run needs from the Kubernetes API
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns the rights that the collection's roles use and the objects that they expect, in the form that
    M(mesh.expansion.kube_access_info) takes.
positional: hosts
options:
  _input:
    description: The site's variables, as the role P(mesh.expansion.preflight#role) passes them.
    type: dictionary
    required: true
  hosts:
    description: The hosts with their services, by inventory name.
    type: dictionary
    required: true
"""

EXAMPLES = r"""
---
- name: Show the rights
  ansible.builtin.debug:
    msg: "{{ ({'istio_namespace': 'istio-system'} | mesh.expansion.preflight_questions({})).access }}"
"""

RETURN = r"""
_value:
  description: The keys C(access) and C(objects).
  type: dictionary
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import required_access, required_objects


def preflight_questions(site: dict[str, t.Any], hosts: dict[str, t.Any]) -> dict[str, list[dict[str, t.Any]]]:
    return {"access": required_access(site, hosts), "objects": required_objects(site, hosts)}


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_questions": preflight_questions}
