# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: exposure_plan
short_description: Compare the wanted Services with those in the cluster
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Says what has to be done about the Services of the exposed services besides applying them on the server side.
  - Server-side apply does not delete objects, does not know whose object it takes over, and does not touch list items
    and map keys that belong to another field manager.
positional: live
options:
  _input:
    description: The Service objects as P(mesh.expansion.exposure_manifests#filter) wants them.
    type: list
    elements: dictionary
    required: true
  live:
    description: The Service objects as they are in the cluster.
    type: list
    elements: dictionary
    required: true
seealso:
  - plugin: mesh.expansion.exposure_manifests
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Remove Services that are no longer in the list
  kubernetes.core.k8s:
    state: absent
    definition: "{{ (wanted_services | mesh.expansion.exposure_plan(live_services)).stale }}"
"""

RETURN = r"""
_value:
  description: What is to be done.
  type: dictionary
  contains:
    missing:
      description: The wanted Services that are not in the cluster.
      type: list
      elements: dictionary
    foreign:
      description: References to Services of a wanted name that do not carry our labels.
      type: list
      elements: dictionary
    surplus:
      description:
        - Merge patches that take additional ports and selector keys out of the wanted Services, so that nothing stays
          open on the virtual address that is not in the list.
      type: list
      elements: dictionary
    stale:
      description: References to Services that carry our labels and are not wanted any more.
      type: list
      elements: dictionary
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure


def exposure_plan(manifests: list[dict[str, t.Any]], live: list[dict[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    try:
        return exposure.exposure_plan(manifests, live)
    except exposure.ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.exposure_plan: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"exposure_plan": exposure_plan}
