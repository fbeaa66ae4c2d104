# Part of the lab's stand-in for the kubelet: the files that a pod sees.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf, hosts and the in-cluster kubeconfig of a pod: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

Json = dict[str, Any]
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
KUBECONFIG = "/run/pod/kubeconfig"
"""For the stand-ins; a kubelet gives no such file."""


def resolv_conf(pod: Json, cluster_dns: str, domain: str, upstream: str) -> str:
    """As the kubelet writes it for dnsPolicy ClusterFirst (the default), Default and None."""
    spec = pod["spec"]
    own = spec.get("dnsConfig", {})
    policy = spec.get("dnsPolicy", "ClusterFirst")
    servers: list[str] = []
    search: list[str] = []
    options: dict[str, str | None] = {}
    if policy in ("ClusterFirst", "ClusterFirstWithHostNet"):
        namespace = pod["metadata"]["namespace"]
        servers = [cluster_dns]
        search = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
        options = {"ndots": "5"}
    elif policy == "Default":
        servers = [upstream]
    servers += own.get("nameservers", [])
    search += own.get("searches", [])
    options |= {o["name"]: o.get("value") for o in own.get("options", [])}
    lines = [f"nameserver {server}" for server in servers]
    if search:
        lines.append("search " + " ".join(search))
    if options:
        lines.append("options " + " ".join(k if v is None else f"{k}:{v}" for k, v in options.items()))
    return "\n".join(lines) + "\n"


def hosts(pod_ip: str, hostname: str, aliases: Sequence[Json] = ()) -> str:
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", f"{pod_ip}\t{hostname}"]
    lines += [f"{a['ip']}\t{' '.join(a['hostnames'])}" for a in aliases]
    return "\n".join(lines) + "\n"


def in_cluster_kubeconfig(server: str, namespace: str) -> str:
    """For programs that read KUBECONFIG; it points at the mounted token and CA."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "in-cluster", "cluster": {"server": server, "certificate-authority": f"{TOKEN_DIR}/ca.crt"}}
        ],
        "users": [{"name": "pod", "user": {"tokenFile": f"{TOKEN_DIR}/token"}}],
        "contexts": [{"name": "pod", "context": {"cluster": "in-cluster", "user": "pod", "namespace": namespace}}],
        "current-context": "pod",
    }
    return yaml.safe_dump(document, sort_keys=False)


def has_token(container: Json) -> bool:
    return any(mount["mountPath"] == TOKEN_DIR for mount in container.get("volumeMounts", []))
