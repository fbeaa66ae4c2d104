# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istiod's generation exposes: its one authenticated port, and the way to the pods where VMs want it. Pure.

Private to the collection.
"""

from __future__ import annotations

from .citadel import dns_entry, dns_ports
from .model import Entry, Place

PROFILE = "istiod"
XDS_PORT, GATEWAY_PORT = 15012, 15443
GATEWAY = "istio-eastwestgateway-lb"
GATEWAY_DEPLOYMENT = "istio-eastwestgateway"
"""As Istio's installation calls it: the one whose label a restricted account may set."""
# In which network a workload is. istiod reads it from the namespace of the control plane, for all pods; from the
# gateway's pods; and from the Service that has the gateway's address.
NETWORK_LABEL = "topology.istio.io/network"
REVISION_LABEL = "istio.io/rev"


def control_plane_service(revision: str) -> str:
    """The revision called default has the names of an istiod without one."""
    return f"istiod-{revision}" if revision not in ("", "default") else "istiod"


def istiod(place: Place) -> list[Entry]:
    revision = {REVISION_LABEL: place.revision} if place.revision else {}
    control_plane: Entry = {
        "name": "istiod-lb",
        "namespace": place.istio_namespace,
        "selector": {"app": "istiod", **revision},
        "dns_names": [control_plane_service(place.revision)],
        "ports": [{"name": "tls-xds", "port": XDS_PORT}],
    }
    gateway: Entry = {
        "name": GATEWAY,
        "namespace": place.istio_namespace,
        "selector": {"istio": "eastwestgateway"},
        "labels": {NETWORK_LABEL: place.network} if place.network else {},
        "inherited_labels": [] if place.network else [NETWORK_LABEL],
        "ports": [{"name": "tls", "port": GATEWAY_PORT}],
    }
    return [
        control_plane,
        *([gateway] if place.vm_to_pods else []),
        *([dns_entry(place, dns_ports())] if place.cluster_dns else []),
    ]
