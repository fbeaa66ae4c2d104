# Part of the lab's stand-in for the kubelet: the files that a pod sees.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""resolv.conf, hosts, volumes and the in-cluster kubeconfig of a pod: pure functions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import yaml

from lab.pods.images import UnsupportedSpec

Json = dict[str, Any]
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"
POD_DIR = "/run/pod"
KUBECONFIG = f"{POD_DIR}/kubeconfig"


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
        "clusters": [{"name": "in-cluster", "cluster": {"server": server, "certificate-authority": f"{TOKEN_DIR}/ca.crt"}}],
        "users": [{"name": "pod", "user": {"tokenFile": f"{TOKEN_DIR}/token"}}],
        "contexts": [{"name": "pod", "context": {"cluster": "in-cluster", "user": "pod", "namespace": namespace}}],
        "current-context": "pod",
    }
    return yaml.safe_dump(document, sort_keys=False)


def _source(pod: Json, name: str) -> tuple[str, Json]:
    for volume in pod["spec"].get("volumes", []):
        if volume["name"] == name:
            return next((kind, source) for kind, source in volume.items() if kind != "name")
    raise UnsupportedSpec(f"volumeMount {name!r}: the Pod has no such volume")


def references(pod: Json, container: Json) -> set[tuple[str, str]]:
    """("secrets" or "configmaps", name) of every object that the container's volumes need."""
    found = set()
    for mount in container.get("volumeMounts", []):
        kind, source = _source(pod, mount["name"])
        if kind == "secret":
            found.add(("secrets", source["secretName"]))
        elif kind == "configMap":
            found.add(("configmaps", source["name"]))
        elif kind != "emptyDir":
            raise UnsupportedSpec(f"volume {mount['name']!r}: type {kind} is not supported by the lab's pod runner; use secret, configMap or emptyDir")
    return found


def volumes(pod: Json, container: Json, objects: dict[tuple[str, str], Json]) -> list[Json]:
    """What pod_init places: path, file mode, base64 contents by file name. An emptyDir is private to its container."""
    placed = []
    for mount in container.get("volumeMounts", []):
        if mount.get("subPath"):
            raise UnsupportedSpec(f"volumeMount {mount['name']!r}: subPath is not supported by the lab's pod runner")
        kind, source = _source(pod, mount["name"])
        data: dict[str, str] = {}
        if kind == "secret":
            data = dict(objects["secrets", source["secretName"]].get("data") or {})
        elif kind == "configMap":
            found = objects["configmaps", source["name"]]
            data = {k: base64.b64encode(v.encode()).decode() for k, v in (found.get("data") or {}).items()}
            data |= found.get("binaryData") or {}
        if source.get("items"):
            data = {item["path"]: data[item["key"]] for item in source["items"]}
        placed.append({"path": mount["mountPath"], "mode": source.get("defaultMode", 0o644), "files": data})
    return placed


def has_token(container: Json) -> bool:
    return any(mount["mountPath"] == TOKEN_DIR for mount in container.get("volumeMounts", []))


def text_volume(path: str, files: dict[str, str]) -> Json:
    """A volume of the runner's own."""
    return {"path": path, "mode": 0o600, "files": {n: base64.b64encode(t.encode()).decode() for n, t in files.items()}}
