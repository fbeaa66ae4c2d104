# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_traffic
short_description: List what must get through a host's packet filter
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Derives from the variables C(mesh_*) and the inventory groups what others send to a host and it sends on, by what
    the host is, in the form that M(mesh.expansion.preflight_look) takes.
extends_documentation_fragment:
  - mesh.expansion._of_host
"""

EXAMPLES = r"""
---
- name: Show what is asked about
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.preflight_traffic }}"
"""

RETURN = r"""
_value:
  description: Kinds of traffic, each with its protocol, where it comes from and goes to, and its ports.
  type: list
  elements: dictionary
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def preflight_traffic(context: t.Any, host: str) -> list[dict[str, t.Any]]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.traffic import traffic

    # A VM meets the director, the nodes and the pods; these meet all VMs.
    groups = context.resolve_or_missing("groups")
    meets_vms = any(host in (groups.get(name) or []) for name in ("director", "k8s_nodes"))
    return traffic(_variables.site(context, host, other_vms=meets_vms), host)


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_traffic": preflight_traffic}
