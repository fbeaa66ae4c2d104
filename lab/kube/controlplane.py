# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of etcd, the API server, the controller manager and the pod runner."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from lab.build import kubernetes
from lab.config import Topology
from lab.kube import pki

ETCD = "http://127.0.0.1:2379"
ETCD_PEER = "http://127.0.0.1:2380"
DOMAIN_OF_KUBERNETES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")

# Without what the lab has no use for: volumes, autoscaling, certificate requests, quotas; and without nodelifecycle,
# which would evict pods when the runner is slow.
OFF = (
    "attachdetach",
    "cloud-node-lifecycle",
    "cronjob",
    "csrapproving",
    "csrcleaner",
    "csrsigning",
    "disruption",
    "horizontalpodautoscaling",
    "nodeipam",
    "nodelifecycle",
    "persistentvolume-binder",
    "persistentvolume-expander",
    "pv-protection",
    "pvc-protection",
    "resourcequota",
    "route",
    "service",
    "statefulset",
    "ttl",
)


@dataclass(frozen=True)
class Places:
    """Where the control plane finds its files, and the version that it is."""

    version: str
    binaries: dict[str, Path]
    pki: Path
    etcd: Path
    controller_manager_kubeconfig: Path


def subjects(site: Topology) -> tuple[pki.Subject, ...]:
    """The identities of this site's cluster."""
    first = str(ipaddress.ip_network(site.service_cidr)[1])
    names = (*DOMAIN_OF_KUBERNETES, f"kubernetes.default.svc.{site.cluster_domain}", "localhost")
    nodes = site.with_role("node")
    return pki.standard_subjects(
        (site.gateway, first, "127.0.0.1", *names), [word for n in nodes for word in (n.address, n.name)]
    )


def etcd(places: Places) -> list[str]:
    return [
        str(places.binaries["etcd"]),
        "--name=lab",
        f"--data-dir={places.etcd}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEER}",
        f"--initial-advertise-peer-urls={ETCD_PEER}",
        f"--initial-cluster=lab={ETCD_PEER}",
        "--auto-compaction-retention=1",
    ]


def feature_gates(version: str) -> dict[str, bool]:
    """From 1.36 on the API server hands exec, attach and port-forward over WebSocket to a kubelet that declares the
    feature ExtendWebSocketsToKubelet. An older one translates them into SPDY, which the pod runner does not speak,
    unless told not to."""
    if kubernetes.minor(version) >= (1, 36):
        return {}
    return {"TranslateStreamCloseWebsocketRequests": False, "PortForwardWebsockets": False}


def apiserver(places: Places, site: Topology) -> list[str]:
    directory = places.pki
    gates = ",".join(f"{name}={str(value).lower()}" for name, value in feature_gates(places.version).items())
    return [
        str(places.binaries["kube-apiserver"]),
        f"--etcd-servers={ETCD}",
        f"--bind-address={site.gateway}",
        f"--advertise-address={site.gateway}",
        f"--secure-port={site.api_port}",
        f"--service-cluster-ip-range={site.service_cidr}",
        "--authorization-mode=RBAC",
        f"--client-ca-file={directory}/ca.crt",
        f"--tls-cert-file={directory}/apiserver.crt",
        f"--tls-private-key-file={directory}/apiserver.key",
        f"--kubelet-certificate-authority={directory}/ca.crt",
        f"--kubelet-client-certificate={directory}/kubelet-client.crt",
        f"--kubelet-client-key={directory}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-issuer=https://kubernetes.default.svc.{site.cluster_domain}",
        f"--service-account-key-file={directory}/sa.pub",
        f"--service-account-signing-key-file={directory}/sa.key",
        "--allow-privileged=true",
        "--profiling=false",
        *([f"--feature-gates={gates}"] if gates else []),
    ]


def controller_manager(places: Places, site: Topology) -> list[str]:
    kubeconfig = places.controller_manager_kubeconfig
    return [
        str(places.binaries["kube-controller-manager"]),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        f"--controllers=*,{','.join('-' + name for name in OFF)}",
        f"--cluster-cidr={site.pod_cidr}",
        f"--service-account-private-key-file={places.pki}/sa.key",
        f"--root-ca-file={places.pki}/ca.crt",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--kube-api-qps=200",
        "--kube-api-burst=300",
        "--profiling=false",
    ]
