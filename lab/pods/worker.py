# Part of the lab's stand-in for the kubelet: the life of one Pod.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network, containers, status and end of a Pod."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.pods import images, network, status, view
from lab.pods.api import MERGE, UNREACHABLE, Api, ApiError
from lab.pods.container import CannotStart, Container, Plan

log = logging.getLogger("pod")
Json = dict[str, Any]
RETRY_SECONDS = 0.5
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
    nodes: dict[str, Node]
    table: dict[str, images.Image]
    kubernetes_host: str
    cluster_dns: str
    cluster_domain: str
    upstream_dns: str
    log_dir: Path
    release: list[str]
    """Folders whose mounts a pod must not hold on to."""
    keep: list[str]
    """Folders that a pod needs even when they are below /run or /tmp."""
    base_env: dict[str, str] = field(default_factory=dict)


class PodWorker:
    def __init__(self, runtime: Runtime, pod: Json) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.node = runtime.nodes[pod["spec"]["nodeName"]]
        self.containers: dict[str, Container] = {}
        self._runtime = runtime
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self._netns = network.pod_netns(self.uid)
        self._address: str | None = None
        self._started = status.timestamp()
        self._dirty = asyncio.Event()
        self._leave = asyncio.Event()
        self._gone = False
        self.reported = asyncio.Event()
        """The API knows of this runner's pod, and no longer what an earlier one wrote."""

    def update(self, pod: Json) -> None:
        self.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._leave.set()

    def vanish(self) -> None:
        """The Pod object is gone: nobody is left to be told."""
        self._gone = True
        self._leave.set()

    async def run(self) -> None:
        self.update(self.pod)
        tasks: list[asyncio.Task[None]] = []
        try:
            if not self._leave.is_set() and self.pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                await self._start(tasks)
            else:
                self.reported.set()
            await self._leave.wait()
            await self._stop()
        finally:
            self.reported.set()
            for container in self.containers.values():
                container.kill()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave_network()
        if not self._gone:
            await self._finish()
        log.info("%s/%s: removed", self.namespace, self.name)

    async def _start(self, tasks: list[asyncio.Task[None]]) -> None:
        spec = self.pod["spec"]
        await self._join_network()
        assert self._address is not None
        for entry in spec["containers"]:
            self.containers[entry["name"]] = Container(
                entry,
                plan=self._plan,
                changed=self._dirty.set,
                log_file=self._runtime.log_dir / f"{self.namespace}_{self.name}_{entry['name']}.log",
                node_netns=self.node.netns,
                address=self._address,
                restart_policy=spec.get("restartPolicy", "Always"),
            )
        self._dirty.set()
        tasks.append(asyncio.create_task(self._report()))
        tasks.extend(asyncio.create_task(c.run()) for c in self.containers.values())
        log.info("%s/%s: %s on %s", self.namespace, self.name, self._address, self.node.name)

    async def _join_network(self) -> None:
        self._address = self.node.pool.take()
        gateway = str(self.node.pool.gateway)
        while not self._leave.is_set():
            try:
                await network.detach(self._netns, self.node.netns)
                await network.attach(self._netns, self.node.netns, self._address, gateway)
                return
            except (network.NetworkError, OSError) as error:
                log.warning("%s/%s: no network yet: %s", self.namespace, self.name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _leave_network(self) -> None:
        if self._address is not None:
            await network.detach(self._netns, self.node.netns)
            self.node.pool.give_back(self._address)
            self._address = None

    async def _plan(self, container: Json) -> Plan:
        """Command, environment and files of one container; raises CannotStart with a reason to be shown."""
        if self.pod["spec"].get("initContainers"):
            raise CannotStart("Unsupported", "initContainers are not supported by the lab's pod runner")
        if self.pod["spec"].get("hostNetwork"):
            raise CannotStart("Unsupported", "hostNetwork is not supported by the lab's pod runner")
        try:
            image = images.lookup(self._runtime.table, container["image"])
            wanted = images.references(container) | view.references(self.pod, container)
            objects = {key: await self._object(*key) for key in wanted}
            env = self._environment(image, container, objects)
            return Plan(self._init_document(container, objects), images.command_line(image, container, env), env)
        except images.UnknownImage as error:
            raise CannotStart("ErrImagePull", str(error)) from error
        except KeyError as error:
            raise CannotStart("CreateContainerConfigError", f"a referenced object has no key {error}") from error
        except images.UnsupportedSpec as error:
            raise CannotStart("Unsupported", str(error)) from error

    async def _object(self, kind: str, name: str) -> Json:
        try:
            return await self._runtime.api.call("GET", f"/api/v1/namespaces/{self.namespace}/{kind}/{name}")
        except (ApiError, *UNREACHABLE) as error:
            raise CannotStart("CreateContainerConfigError", f"{kind} {name!r}: {error}") from error

    def _environment(self, image: images.Image, container: Json, objects: dict[tuple[str, str], Json]) -> dict[str, str]:
        assert self._address is not None
        fields = images.field_values(self.pod, self._address, self.node.address)
        env = self._runtime.base_env | {
            "PATH": PATH,
            "HOME": "/root",
            "HOSTNAME": self._hostname,
            "POD_NAME": self.name,
            "POD_NAMESPACE": self.namespace,
            "POD_IP": self._address,
            "KUBERNETES_SERVICE_HOST": self._runtime.kubernetes_host,
            "KUBERNETES_SERVICE_PORT": "443",
        }
        if view.has_token(container):
            env["KUBECONFIG"] = view.KUBECONFIG
        return env | image.env | images.spec_env(container, fields, objects)

    @property
    def _hostname(self) -> str:
        return str(self.pod["spec"].get("hostname", self.name))[:63]

    def _init_document(self, container: Json, objects: dict[tuple[str, str], Json]) -> Json:
        runtime = self._runtime
        assert self._address is not None
        kubeconfig = view.in_cluster_kubeconfig(f"https://{runtime.kubernetes_host}:443", self.namespace)
        files = [view.text_volume(view.POD_DIR, {"kubeconfig": kubeconfig})] if view.has_token(container) else []
        return {
            "netns": str(network.netns_path(self._netns)),
            "hostname": self._hostname,
            "release": runtime.release,
            "keep": runtime.keep,
            "cwd": container.get("workingDir") or "/",
            "etc": {
                "/etc/resolv.conf": view.resolv_conf(self.pod, runtime.cluster_dns, runtime.cluster_domain, runtime.upstream_dns),
                "/etc/hosts": view.hosts(self._address, self._hostname, self.pod["spec"].get("hostAliases", [])),
                "/etc/hostname": self._hostname + "\n",
            },
            "volumes": files + view.volumes(self.pod, container, objects),
        }

    async def _report(self) -> None:
        """Write the status back whenever it differs from what was written last."""
        written: Json = {}
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            current = status.pod_status(
                [c.state for c in self.containers.values()],
                restart_policy=self.pod["spec"].get("restartPolicy", "Always"),
                pod_ip=self._address,
                host_ip=self.node.address,
                started=self._started,
                before=written.get("conditions", []),
            )
            if current != written:
                with contextlib.suppress(ApiError):
                    await self._runtime.api.persist("PATCH", f"{self._path}/status", {"status": current}, MERGE)
                    written = current
                self.reported.set()

    async def _stop(self) -> None:
        grace = 0 if self._gone else self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
        await asyncio.gather(*(c.stop(grace) for c in self.containers.values()))

    async def _finish(self) -> None:
        """The last word of a kubelet: the Pod object may go now."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with contextlib.suppress(ApiError):  # a conflict means that another Pod has the name already
            await self._runtime.api.persist("DELETE", self._path, options)
