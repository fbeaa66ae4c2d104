# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Istio 1.0 to 1.4: Pilot, Citadel and Mixer; the VM's key comes from a Secret that Citadel makes.
The reference procedure.

Facts: https://archive.istio.io/v1.0/docs/setup/kubernetes/mesh-expansion/. Private to the collection.
"""

from __future__ import annotations

from ..sidecar.layout import AGENT_AND_PROXY
from .model import CLUSTER, DIRECTOR, DNSMASQ, EXPOSURE, SECRET, VM, Generation, RowText


def _exposed(row: str, what: str, service: str) -> RowText:
    return RowText(row, EXPOSURE, CLUSTER, what, "Service in the API, and the plan of exposure", service)


# What "and the plan of" a role means: what it would still change is a fault.
_ROWS = (
    _exposed("R1", "Pilot is exposed on the VIP", "istio-pilot-lb"),
    _exposed("R2", "cluster DNS is exposed on the VIP", "kube-dns-lb"),
    _exposed("R3", "Mixer is exposed on the VIP", "istio-mixer-lb"),
    _exposed("R4", "Citadel is exposed on the VIP", "istio-citadel-lb"),
    RowText(
        "R5",
        "table",
        DIRECTOR,
        "the director forwards each port to its nodes",
        "kernel's IPVS table, VIP, unit, saved table, and the plan of director",
    ),
    RowText("R6", "identity", VM, "the VM has its identity", "chain, SPIFFE name, expiry, key and owner of the files"),
    RowText("R7", "names_file", VM, "the mesh names are in dnsmasq's file", "file, and the plan of dnsmasq"),
    RowText("R8", "cluster_env", VM, "the sidecar knows the cluster", "cluster.env, and the plan of istio_sidecar"),
    RowText("R9", "resolver", VM, "the VM resolves through dnsmasq", "packages, unit, files, and the plan of dnsmasq"),
    RowText("R10", "lookups", VM, "names answer on the VM", "each name asked of the VM's name servers"),
    RowText("R11", "package", VM, "the sidecar is installed", "package, owners, units, and the plan of istio_sidecar"),
    RowText("R12", "agent", VM, "the certificate agent works", "unit active, last approval in its journal"),
    RowText("R13", "proxy", VM, "the sidecar works and captures traffic", "unit active, nat chains and processes read"),
    RowText("R14", "inbound", VM, "inbound ports are captured", "sidecar.env, nat chain, the plan of istio_sidecar"),
    RowText("R15", "registration", CLUSTER, "the VM is registered", "Service, Endpoints, and the plan of registration"),
    RowText("R16", "pushed", VM, "Pilot pushed the VM's configuration", "clusters and listener in Envoy's config_dump"),
    RowText("R17", "policy", VM, "no policy check fails closed", "policy filters in Envoy's config_dump"),
    RowText(
        "R18",
        "settings",
        CLUSTER,
        "the mesh settings are in force",
        "mesh document, Pilot's Deployment, and the plan of mesh_policy",
    ),
    RowText("R19", "request", CLUSTER, "a pod reaches the VM through the mesh", "HTTP request from a pod"),
)

CITADEL = Generation(
    name="citadel",
    releases="Istio 1.0 to 1.4",
    profiles=("secure", "reference"),
    # As the procedure has it.
    exposure_backend="external_ips",
    rows=_ROWS,
    control_plane_auth=("MUTUAL_TLS", "NONE"),
    # VMs do not reach Mixer: the proxy makes no policy checks, would let requests pass if it
    # made any, and sends no traces.
    mesh_settings={"disablePolicyChecks": True, "policyCheckFailOpen": True, "enableTracing": False},
    mesh_configmap="istio",
    control_plane_deployment="istio-pilot",
    control_plane_pods={"istio": "pilot"},
    probe_service=lambda revision: "istio-pilot",
    # Its ports with TLS ask for a client's certificate.
    tls_names=lambda revision, namespace: {},
    identity=SECRET,
    identity_secret=lambda account: f"istio.{account}",
    identity_remedy="Citadel then makes the Secret within seconds if it runs.",
    dns_modes=(DNSMASQ,),
    # Pilot of these releases reads nothing else.
    registrations=("endpoints",),
    package="istio-sidecar",
    sidecar=AGENT_AND_PROXY,
)
