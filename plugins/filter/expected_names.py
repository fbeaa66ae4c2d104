# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: expected_names
short_description: Which name must answer which address on a VM
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Short control-plane names, alone and with their namespace, answer the virtual IP.
  - Full names below C(svc) answer the cluster IP of the Service, through the director and the cluster's DNS.
positional: _input
options:
  _input:
    description: The Services of the control plane, as M(kubernetes.core.k8s_info) returns them.
    type: list
    elements: dict
    required: true
  services:
    description: The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
    type: list
    elements: dict
    required: true
  vip:
    description: The virtual IP.
    type: str
    required: true
  cluster_domain:
    description: The cluster's DNS domain.
    type: str
    default: cluster.local
"""

EXAMPLES = r"""
- name: Show what the names must answer
  ansible.builtin.debug:
    msg: "{{ found.resources | mesh.expansion.expected_names(services=services, vip='192.0.2.62') }}"
"""

RETURN = r"""
_value:
  description: The address of each name.
  type: dict
  sample: {istio-pilot: 192.0.2.62, istio-pilot.istio-system.svc.cluster.local: 10.233.40.1}
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows as verify


def expected_names(
    resources: t.Any, services: t.Any, vip: str, cluster_domain: str = "cluster.local"
) -> dict[str, str]:
    """Which name must answer which address."""
    try:
        return verify.expected_names(resources, services, vip, cluster_domain)
    except (KeyError, TypeError, AttributeError) as exc:
        raise AnsibleFilterError(f"mesh.expansion.expected_names: the input is incomplete: {exc!r}") from exc


class FilterModule:
    """The filter mesh.expansion.expected_names."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"expected_names": expected_names}
