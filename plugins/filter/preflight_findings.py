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
  - Judges the site's variables, what hosts set of the roles' own ones, and what the role
    P(mesh.expansion.preflight#role) saw, and returns one line for each finding. A line names the variable or object,
    its value, and the fix.
positional: looks, cluster, packages, rules
extends_documentation_fragment:
  - mesh.expansion._of_host
options:
  looks:
    description: What M(mesh.expansion.preflight_look) returned on each host of the run, by inventory name.
    type: dictionary
    required: true
  cluster:
    description: What M(mesh.expansion.kube_access_info) returned; empty when it was not asked.
    type: dictionary
    default: {}
  packages:
    description: What M(mesh.expansion.deb_package_info) returned on the control node, by the path as
      C(mesh_sidecar_package) has it.
    type: dictionary
    default: {}
  rules:
    description: The role's own variables, C(supported_os), C(manage_arp), C(router_id) and C(takeover).
    type: dictionary
    default: {}
"""

EXAMPLES = r"""
---
- name: Show what is wrong with the variables
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.preflight_findings({}) }}"
"""

RETURN = r"""
_value:
  description: The findings; empty when nothing is in the way.
  type: list
  elements: string
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context

Json = t.Dict[str, t.Any]


@pass_context
def preflight_findings(
    context: t.Any,
    host: str,
    looks: Json,
    cluster: Json | None = None,
    packages: Json | None = None,
    rules: Json | None = None,
) -> list[str]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.findings import findings
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules
    from ansible_collections.mesh.expansion.plugins.plugin_utils import _role_variables

    site = _variables.site(context, host)
    seen = {name: {**look} for name, look in looks.items()}
    for name in set(seen) & set(site.packages):
        read = (packages or {}).get(site.packages[name])
        if read is not None:
            seen[name]["package"] = {**read, "source": site.packages[name], "read_on": "the control node"}
        # As the role istio_sidecar will read it.
        seen[name]["checksum"] = _variables.first(context, name, ["istio_sidecar_checksum", "mesh_sidecar_checksum"])
    told = _role_variables.problems(_variables.of_hosts(context, looks))
    return told + findings(site, seen, cluster or {}, Rules(**{"supported_os": {}, **(rules or {})}))


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_findings": preflight_findings}
