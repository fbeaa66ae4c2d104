# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: mesh_rbac
short_description: Make the roles of Kubernetes that a site needs
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.1.0"
description:
  - Returns the roles, and what binds them to a user, with exactly the rights that the collection uses for the site.
    They are those that the role P(mesh.expansion.preflight#role) asks for.
positional: user
options:
  _input:
    description: Name of the host in the inventory whose variables are the site's, as a rule V(inventory_hostname).
    type: string
    required: true
  user:
    description: The user of C(mesh_kubeconfig). A service account is C(system:serviceaccount:NAMESPACE:NAME).
    type: string
    required: true
"""

EXAMPLES = r"""
---
- name: Show the roles
  ansible.builtin.debug:
    msg: "{{ inventory_hostname | mesh.expansion.mesh_rbac('mesh-operator') }}"
"""

RETURN = r"""
_value:
  description: The objects for the API.
  type: list
  elements: dictionary
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def mesh_rbac(context: t.Any, host: str, user: str) -> list[dict[str, t.Any]]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.cluster import required_access
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.rbac import manifests

    site = _variables.site(context, host)
    generation = site.generation
    return manifests(required_access(site, generation.mesh_configmap, generation.control_plane_deployment), user)


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"mesh_rbac": mesh_rbac}
