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
  - Returns the rights that the collection's roles use, the objects that they expect and those that are judged, in the
    form that M(mesh.expansion.kube_access_info) takes.
positional: configmap, deployment, adopt
extends_documentation_fragment:
  - mesh.expansion._of_host
options:
  configmap:
    description: ConfigMap with the mesh configuration. Empty; that of the control plane's generation.
    type: string
    required: true
  deployment:
    description: Deployment of the control plane, which reads it. Empty; that of the control plane's generation.
    type: string
    required: true
  adopt:
    description: Whether Services of the same names that are not ours are taken over, as M(mesh.expansion.mesh_services)
      does with C(adopt).
    type: boolean
    default: false
"""

EXAMPLES = r"""
---
- name: Show the rights
  ansible.builtin.debug:
    msg: "{{ (inventory_hostname | mesh.expansion.preflight_questions('istio', 'istio-pilot')).access }}"
"""

RETURN = r"""
_value:
  description: The keys C(access), C(objects), C(documents) and C(exposure), which is V(null) without usable variables.
  type: dictionary
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables
from jinja2 import pass_context


@pass_context
def preflight_questions(
    context: t.Any, host: str, configmap: str, deployment: str, adopt: bool = False
) -> dict[str, t.Any]:
    # Each worker process that uses one filter of a collection loads the files of all: what only this one needs, here.
    from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.cluster import (
        required_access,
        required_documents,
        required_exposure,
        required_objects,
    )

    site = _variables.site(context, host)
    configmap = configmap or site.generation.mesh_configmap
    deployment = deployment or site.generation.control_plane_deployment
    return {
        "access": required_access(site, configmap, deployment),
        "objects": required_objects(site, configmap, deployment),
        "documents": required_documents(site),
        "exposure": required_exposure(site, adopt),
    }


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight_questions": preflight_questions}
