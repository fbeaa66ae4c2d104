# Part of the lab's stand-in for the kubelet: how a container is started.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the Pod, the image table and the objects in the API to what pod_init is told.

A container also gets POD_NAME, POD_NAMESPACE and POD_IP, and a kubeconfig for the stand-ins,
which a kubelet does not give.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.pods import environment, images, network, refusals, security, view, volumes
from lab.pods.api import Api
from lab.pods.errors import CannotStart, UnsupportedSpec
from lab.pods.objects import Found, Objects
from lab.pods.spawn import Plan
from lab.pods.storage import Storage

Json = dict[str, Any]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass
class Node:
    name: str
    address: str
    netns: str
    pool: network.AddressPool


@dataclass
class Runtime:
    """What all pods share."""

    api: Api
    objects: Objects
    nodes: dict[str, Node]
    table: images.Table
    kubernetes_host: str
    cluster_dns: str
    cluster_domain: str
    upstream_dns: str
    log_dir: Path
    pods_dir: Path
    """Where the pods' storage is mounted."""
    keep: list[str]
    """Folders of the machine that every pod sees."""
    base_env: dict[str, str] = field(default_factory=dict)


def hostname(pod: Json) -> str:
    return str(pod["spec"].get("hostname", pod["metadata"]["name"]))[:63]


class Planner:
    """For the containers of one Pod."""

    def __init__(self, runtime: Runtime, storage: Storage, pod: Json, address: str, node: Node) -> None:
        self._runtime = runtime
        self._storage = storage
        self._pod = pod
        self._address = address
        self._node = node

    async def plan(self, container: Json) -> Plan:
        """Raises CannotStart with a reason to be shown."""
        namespace = self._pod["metadata"]["namespace"]
        try:
            image = self._runtime.table.lookup(container["image"])
            who = security.identity(self._pod, container, image.user)
            found = await self._runtime.objects.fetch(namespace, environment.references(container))
            env = self._environment(image, container, found, who)
            argv = images.command_line(image, container, env)
            return Plan(self._init_document(image, container, env, who), argv, env, who)
        except KeyError as error:
            raise CannotStart("CreateContainerConfigError", f"a referenced object has no key {error}") from error
        except UnsupportedSpec as error:
            raise CannotStart("Unsupported", str(error)) from error

    async def prepare(self) -> None:
        """Everything that must be there before the first container starts; raises like plan."""
        try:
            refusals.check(self._pod)
            await self._storage.synchronise()
        except UnsupportedSpec as error:
            raise CannotStart("Unsupported", str(error)) from error

    def _environment(
        self, image: images.Image, container: Json, found: Found, who: security.Identity
    ) -> dict[str, str]:
        meta = self._pod["metadata"]
        env = self._runtime.base_env | {
            "PATH": PATH,
            "HOME": who.home,
            "HOSTNAME": hostname(self._pod),
            "POD_NAME": meta["name"],
            "POD_NAMESPACE": meta["namespace"],
            "POD_IP": self._address,
            "KUBERNETES_SERVICE_HOST": self._runtime.kubernetes_host,
            "KUBERNETES_SERVICE_PORT": "443",
            "KUBERNETES_SERVICE_PORT_HTTPS": "443",
        }
        addresses = (self._address, self._node.address)
        return env | image.env | environment.from_spec(self._pod, container, addresses, found)

    def _init_document(self, image: images.Image, container: Json, env: dict[str, str], who: security.Identity) -> Json:
        runtime, pod = self._runtime, self._pod
        name = hostname(pod)
        files = {
            "/etc/resolv.conf": view.resolv_conf(
                pod, runtime.cluster_dns, runtime.cluster_domain, runtime.upstream_dns
            ),
            "/etc/hosts": view.hosts(self._address, name, pod["spec"].get("hostAliases", [])),
            "/etc/hostname": name + "\n",
        }
        if view.has_token(container):
            server = f"https://{runtime.kubernetes_host}:443"
            files[view.KUBECONFIG] = view.in_cluster_kubeconfig(server, pod["metadata"]["namespace"])
        kinds = {volume: kind for volume, (kind, _source) in volumes.used(pod).items()}
        directory = self._storage.volumes_dir
        mounts = [m | {"source": f"{directory}/{m['source']}"} for m in volumes.mounts(container, kinds, env)]
        return {
            "netns": str(network.netns_path(network.pod_netns(pod["metadata"]["uid"]))),
            "hostname": name,
            "root": str(self._storage.fresh_root(container["name"])),
            "layers": list(image.layers),
            "keep": runtime.keep,
            "read_only": who.read_only_root,
            "cwd": container.get("workingDir") or "/",
            "files": files,
            "mounts": mounts,
        }
