# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: exposure_manifests
short_description: Make the Kubernetes Services for the exposed services
author: mesh.expansion contributors (@mesh-expansion)
version_added: "1.0.0"
description:
  - Returns one Service object per exposed service, with the virtual address as its external address, so that every node
    accepts what the director sends it for that address.
  - The objects carry the labels C(app.kubernetes.io/managed-by=mesh.expansion) and
    C(app.kubernetes.io/component=exposure).
positional: vip
options:
  _input:
    description: The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
    type: list
    elements: dictionary
    required: true
  vip:
    description: The virtual address.
    type: string
    required: true
seealso:
  - plugin: mesh.expansion.exposed_services
    plugin_type: filter
"""

EXAMPLES = r"""
---
- name: Show the Services
  ansible.builtin.debug:
    msg: "{{ 'secure' | mesh.expansion.exposed_services | mesh.expansion.exposure_manifests('192.168.0.62') }}"
"""

RETURN = r"""
_value:
  description: The Service objects.
  type: list
  elements: dictionary
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure


def exposure_manifests(services: list[dict[str, t.Any]], vip: str) -> list[dict[str, t.Any]]:
    try:
        return exposure.exposure_manifests(services, vip)
    except exposure.ExposureError as exc:
        raise AnsibleFilterError(f"mesh.expansion.exposure_manifests: {exc}") from exc


class FilterModule:
    """Filter of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"exposure_manifests": exposure_manifests}
