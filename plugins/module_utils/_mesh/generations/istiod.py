# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Today's Istio: istiod signs a VM's certificate for a token, WorkloadGroups say what a VM is, and the sidecar answers
the VM's DNS queries. Private to the collection.

Facts: https://istio.io/latest/docs/setup/install/virtual-machine/, and the 1.31 line running in the lab.
"""

from __future__ import annotations

from ..exposure.istiod import XDS_PORT, control_plane_service
from ..sidecar.layout import ONE_AGENT
from .model import CAPTURE, CLUSTER, DIRECTOR, DNSMASQ, EXPOSURE, HOSTS, TOKEN, VM, Generation, RowText

_EXPOSED = "Service in the API, and the plan of exposure"
_ROWS = (
    RowText("I1", EXPOSURE, CLUSTER, "istiod is exposed on the VIP", _EXPOSED, "istiod-lb"),
    RowText("I2", EXPOSURE, CLUSTER, "the east-west gateway is on the VIP", _EXPOSED, "istio-eastwestgateway-lb"),
    RowText(
        "I3",
        "table",
        DIRECTOR,
        "the director forwards each port to its nodes",
        "kernel's IPVS table, VIP, unit, saved table, and the plan of director",
    ),
    RowText("I4", "groups", CLUSTER, "the VM's group is as the inventory says", "the plan of registration"),
    RowText("I5", "bootstrap", VM, "the VM has its bootstrap files", "files, owners, and the plan of istio_sidecar"),
    RowText("I6", "resolver", VM, "names answer on the VM", "/etc/hosts, resolv.conf, and each name looked up"),
    RowText("I7", "package", VM, "the sidecar is installed", "package, unit, owners, and the plan of istio_sidecar"),
    RowText("I8", "identity", VM, "the VM has a certificate of istiod", "chain, SPIFFE name, expiry, key and owner"),
    RowText("I9", "proxy", VM, "the sidecar is ready", "unit, readiness, and what Envoy accepted and rejected"),
    RowText("I10", "capture", VM, "traffic is captured as wanted", "nat chains of iptables-legacy and nft"),
    RowText("I11", "entry", CLUSTER, "the VM's workload entry is healthy", "WorkloadEntry and its condition"),
    RowText("I12", "endpoint", CLUSTER, "clients reach the VM with mutual TLS", "endpoints in a client's Envoy"),
    RowText("I13", "plain", CLUSTER, "pods without a sidecar reach the VM", "EndpointSlice, and a request from a pod"),
    RowText("I14", "peer", CLUSTER, "a pod reaches the VM through the mesh", "HTTP request, and the peer's name"),
    RowText("I15", "vm_to_pods", VM, "the VM reaches a pod's Service by name", "HTTP request through VIP:15443"),
)

ISTIOD = Generation(
    name="istiod",
    releases="Istio 1.31",
    profiles=("istiod",),
    # Wherever the API serves its fields.
    exposure_backend="auto",
    rows=_ROWS,
    control_plane_auth=("MUTUAL_TLS",),
    # istiod needs none.
    mesh_settings={},
    mesh_configmap="istio",
    control_plane_deployment="istiod",
    control_plane_pods={"app": "istiod"},
    probe_service=control_plane_service,
    tls_names=lambda revision, namespace: {XDS_PORT: f"{control_plane_service(revision)}.{namespace}.svc"},
    identity=TOKEN,
    identity_secret=lambda account: "",
    identity_remedy="",
    dns_modes=(CAPTURE, DNSMASQ, HOSTS),
    registrations=("auto", "workload_entry", "endpoint_slice", "endpoints"),
    package="istio-sidecar",
    sidecar=ONE_AGENT,
)
