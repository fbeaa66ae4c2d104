# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio 1.0 to 1.4: Pilot, Citadel and Mixer; the VM's key comes from a Secret that Citadel makes.
The reference procedure.

Facts: https://archive.istio.io/v1.0/docs/setup/kubernetes/mesh-expansion/. Private to the collection.
"""

from __future__ import annotations

from .model import Generation

CITADEL = Generation(
    name="citadel",
    releases="Istio 1.0 to 1.4",
    profiles=("secure", "reference"),
    service_rows={"istio-pilot-lb": "R1", "kube-dns-lb": "R2", "istio-mixer-lb": "R3", "istio-citadel-lb": "R4"},
    control_plane_auth=("MUTUAL_TLS", "NONE"),
    # VMs do not reach Mixer: the proxy makes no policy checks, would let requests pass if it
    # made any, and sends no traces.
    mesh_settings={"disablePolicyChecks": True, "policyCheckFailOpen": True, "enableTracing": False},
    mesh_configmap="istio",
    control_plane_deployment="istio-pilot",
    probe_service="istio-pilot",
    identity_secret=lambda account: f"istio.{account}",
    identity_remedy="Citadel then makes the Secret within seconds if it runs.",
    package="istio-sidecar",
)
