# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_env
short_description: The settings of the sidecar's cluster.env
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Returns what a VM must know about the cluster, checked.
positional: _input, istio_namespace, control_plane_auth
options:
  _input:
    description: The cluster's Service CIDR.
    type: str
    required: true
  istio_namespace:
    description: Namespace of the control plane.
    type: str
    default: istio-system
  control_plane_auth:
    description: How the proxy authenticates to Pilot.
    type: str
    default: MUTUAL_TLS
    choices: [MUTUAL_TLS, NONE]
"""

EXAMPLES = r"""
- name: Show the settings
  ansible.builtin.debug:
    msg: "{{ '10.96.0.0/12' | mesh.expansion.cluster_env }}"
"""

RETURN = r"""
_value:
  description: Names and values, in the order of the file.
  type: dict
  sample:
    ISTIO_SERVICE_CIDR: 10.96.0.0/12
    ISTIO_SYSTEM_NAMESPACE: istio-system
    ISTIO_CP_AUTH: MUTUAL_TLS
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import bootstrap


def cluster_env(
    service_cidr: str, istio_namespace: str = "istio-system", control_plane_auth: str = "MUTUAL_TLS"
) -> dict[str, str]:
    """The settings of cluster.env."""
    try:
        return bootstrap.cluster_env(service_cidr, istio_namespace, control_plane_auth)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.cluster_env: {exc}") from exc


class FilterModule:
    """The filter mesh.expansion.cluster_env."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"cluster_env": cluster_env}
