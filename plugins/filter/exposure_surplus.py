# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: exposure_surplus
short_description: Find what others added to the Services of the exposed services
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Server-side apply does not touch list items and map keys that belong to another field manager. This returns the
    merge patches that take additional ports and selector keys out of our Services again, so that nothing stays open on the
    virtual address that is not in the list.
positional: manifests
options:
  _input:
    description: The Service objects as they are in the cluster.
    type: list
    elements: dictionary
    required: true
  manifests:
    description: The Service objects as P(mesh.expansion.exposure_manifests#filter) wants them.
    type: list
    elements: dictionary
    required: true
seealso:
  - plugin: mesh.expansion.exposure_manifests
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Take out what is not in the list
  kubernetes.core.k8s:
    state: patched
    merge_type: merge
    definition: "{{ live_services | mesh.expansion.exposure_surplus(wanted_services) }}"
"""

RETURN = r"""
_value:
  description: The merge patches, one per Service that has something to take out.
  type: list
  elements: dictionary
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._istio import exposure


def exposure_surplus(live: list[dict[str, t.Any]], manifests: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    try:
        return exposure.surplus_patches(live, manifests)
    except exposure.ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.exposure_surplus: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"exposure_surplus": exposure_surplus}
