# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The settings of a VM's sidecar. Private to the collection."""

    DOCUMENTATION = r"""
options:
  generation:
    description:
      - The control plane's generation, V(citadel) or V(istiod), by which the sidecar's package has its layout.
      - What takes the sidecar out goes by what it has remembered, and needs none.
    type: str
    default: istiod
  vip:
    description: Virtual IP of the control plane. Needed unless the module only prepares or removes.
    type: str
  service_cidr:
    description:
      - Service network of the cluster, whose connections go through the sidecar.
      - Needed as O(vip) is with O(generation=citadel); with V(istiod) all connections go through it.
    type: str
  istio_namespace:
    description: Namespace of the control plane.
    type: str
    default: istio-system
  control_plane_auth:
    description: Authentication between sidecar and Pilot, V(MUTUAL_TLS) or V(NONE).
    type: str
    default: MUTUAL_TLS
  namespace:
    description: Namespace of the VM's services.
    type: str
    default: default
  address:
    description: The VM's address as pods reach it. If it is empty, the source address of the route to O(vip).
    type: str
    default: ""
  services:
    description: What the VM offers, each with C(name) and C(port); these ports are captured.
    type: list
    elements: dict
    default: []
  management_ports:
    description: Ports that are never captured.
    type: list
    elements: int
    default: [22]
  extra_env:
    description: More settings for C(sidecar.env), where the module writes it. A null value takes a key out.
    type: dict
    default: {}
  timeout:
    description: How long Envoy may take to get its first configuration, in seconds.
    type: int
    default: 60
requirements:
  - Debian's dpkg and apt, systemd and iproute2 on the managed host
"""
