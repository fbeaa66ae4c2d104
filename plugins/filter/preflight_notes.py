# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_notes
short_description: Say what fails nothing and is worth knowing before a run
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Returns one line for each thing that is unusual about the site and wanted all the same, and for each check that
    could not be made after the run, and how many VMs are as they should be.
positional: cluster, looks
extends_documentation_fragment:
  - mesh.expansion._of_host
options:
  cluster:
    description: What M(mesh.expansion.kube_access_info) returned; empty when it was not asked.
    type: dictionary
    default: {}
  looks:
    description: What M(mesh.expansion.preflight_look) returned on each host of the run, by inventory name.
    type: dictionary
    default: {}
"""

EXAMPLES = r"""
---
- name: Show what is unusual about the variables
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.preflight_notes }}"
"""

RETURN = r"""
_value:
  description: The notes; empty when there is nothing to say.
  type: list
  elements: string
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def preflight_notes(
    context: t.Any,
    host: str,
    cluster: t.Mapping[str, t.Any] | None = None,
    looks: t.Mapping[str, t.Any] | None = None,
) -> list[str]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import clients, firewalls, settled

    site = _variables.site(context, host)
    documents = (cluster or {}).get("documents") or []
    seen = looks or {}
    fine = settled.notes(site.directors, site.nodes, site.vms, seen)
    return site.notes() + clients.notes(site, documents) + firewalls.notes(site, seen) + fine


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_notes": preflight_notes}
