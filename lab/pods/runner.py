# A stand-in for the kubelet, for all nodes of the lab in one process:
# it runs Pods as network namespaces with processes.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watch the Pods bound to the lab's nodes, keep one worker for each, register the nodes, serve their kubelet endpoints.

Pods end with this process; when it starts, it clears what an earlier one left and starts the Pods of the API anew.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import sys
from typing import Any

from lab import config, proc
from lab.pods import images, kubelet, network, storage
from lab.pods.api import Api, tls_context
from lab.pods.node import keep_node
from lab.pods.objects import Objects
from lab.pods.plan import Node, Runtime
from lab.pods.worker import PodWorker

log = logging.getLogger("runner")
Json = dict[str, Any]
ENDPOINT_RETRY_SECONDS = 1


class Manager:
    """Workers by the uid of their Pod."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.took_over = asyncio.Event()
        """The first list was worked through: every status in the API is this runner's."""

    def find(self, node: str, namespace: str, name: str) -> PodWorker | None:
        for worker in self._workers.values():
            if (worker.node.name, worker.namespace, worker.name) == (node, namespace, name):
                return worker
        return None

    def seen(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        if uid in self._workers:
            self._workers[uid].update(pod)
        elif pod["spec"].get("nodeName") in self._runtime.nodes:
            worker = self._workers[uid] = PodWorker(self._runtime, pod)
            self._tasks[uid] = asyncio.create_task(self._run(worker))

    def removed(self, uid: str) -> None:
        if uid in self._workers:
            self._workers[uid].vanish()

    def synchronise(self, pods: list[Json]) -> None:
        """A full list: what is not on it has vanished meanwhile."""
        present = {pod["metadata"]["uid"] for pod in pods}
        for uid in set(self._workers) - present:
            self.removed(uid)
        for pod in pods:
            self.seen(pod)

    async def follow(self) -> None:
        async for kind, item in self._runtime.api.watch("/api/v1/pods", "fieldSelector=spec.nodeName!%3D"):
            if kind == "SYNC":
                self.synchronise(item)
                if not self.took_over.is_set():
                    self._tasks["take over"] = asyncio.create_task(self._take_over())
            elif kind == "DELETED":
                self.removed(item["metadata"]["uid"])
            else:
                self.seen(item)

    async def _take_over(self) -> None:
        await asyncio.gather(*(worker.reported.wait() for worker in list(self._workers.values())))
        self.took_over.set()

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:
            log.exception("%s/%s: the worker failed", worker.namespace, worker.name)
        finally:
            self._workers.pop(worker.uid, None)
            self._tasks.pop(worker.uid, None)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def keep_endpoint(endpoint: kubelet.Endpoint, host: config.Host, tls: Any) -> None:
    """Open the node's endpoint as soon as the node has its address."""
    while True:
        try:
            await endpoint.start(tls)
            return
        except OSError as error:
            log.warning("%s: endpoint not open yet: %s", host.name, error)
            await endpoint.stop()
            await asyncio.sleep(ENDPOINT_RETRY_SECONDS)


def make_runtime(site: config.Topology, api: Api) -> Runtime:
    nodes = {
        host.name: Node(host.name, host.address, host.netns or "", network.AddressPool(host.pod_cidr or ""))
        for host in site.with_role("node")
    }
    return Runtime(
        api=api,
        objects=Objects(api),
        nodes=nodes,
        table=images.Table(),
        kubernetes_host=str(ipaddress.ip_network(site.service_cidr)[1]),
        cluster_dns=site.cluster_dns,
        cluster_domain=site.cluster_domain,
        upstream_dns=site.upstream_dns,
        log_dir=config.log_dir() / "pods",
        pods_dir=config.run_dir() / "pods",
        keep=[str(config.repo_root()), str(config.cache_dir()), sys.base_prefix],
        base_env={
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(config.repo_root()),
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            proc.MARKER: "1",
        },
    )


async def serve() -> None:
    site = config.topology()
    pki = config.state_dir() / "pki"
    cleared = network.remove_all_pods()
    storage.clear(config.run_dir() / "pods")
    if cleared:
        log.info("cleared %d pods of an earlier runner", len(cleared))
    context = tls_context(pki / "ca.crt", pki / "pod-runner.crt", pki / "pod-runner.key")
    api = Api(f"https://{site.gateway}:{site.api_port}", context)
    runtime = make_runtime(site, api)
    manager = Manager(runtime)
    tls = kubelet.server_tls(pki / "ca.crt", pki / "kubelet.crt", pki / "kubelet.key")
    endpoints = {h.name: kubelet.Endpoint(runtime.nodes[h.name], manager.find) for h in site.with_role("node")}
    nodes = site.with_role("node")
    endless = [
        asyncio.create_task(manager.follow()),
        *(asyncio.create_task(keep_node(api, h, manager.took_over)) for h in nodes),
    ]
    opening = [asyncio.create_task(keep_endpoint(endpoints[h.name], h, tls)) for h in nodes]
    finished = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, finished.set)
    told: asyncio.Task[Any] = asyncio.create_task(finished.wait())
    done, _pending = await asyncio.wait([told, *endless], return_when=asyncio.FIRST_COMPLETED)
    for task in (*endless, *opening):
        task.cancel()
    await manager.close()
    for endpoint in endpoints.values():
        await endpoint.stop()
    await api.close()
    for task in done:
        task.result()


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(serve())


if __name__ == "__main__":
    main()
