# Part of the lab's stand-in for the kubelet: the life of one Pod.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network, volumes, containers in their order, status and end of a Pod."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from lab.pods import network, security, status
from lab.pods.api import MERGE, ApiError
from lab.pods.container import Container, Surroundings
from lab.pods.errors import CannotStart
from lab.pods.plan import Planner, Runtime
from lab.pods.storage import Storage

log = logging.getLogger("pod")
Json = dict[str, Any]
RETRY_SECONDS = 0.5
LONGEST_RETRY = 5.0


def is_sidecar(spec: Json) -> bool:
    """An init container that goes on running."""
    return spec.get("restartPolicy") == "Always"


class PodWorker:
    def __init__(self, runtime: Runtime, pod: Json) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.name: str = pod["metadata"]["name"]
        self.node = runtime.nodes[pod["spec"]["nodeName"]]
        self.containers: dict[str, Container] = {}
        """All of them; those of initContainers come first."""
        self._runtime = runtime
        self._path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self._netns = network.pod_netns(self.uid)
        self._storage = Storage(runtime.pods_dir, runtime.api, runtime.objects, pod)
        self._address: str | None = None
        self._initialized = False
        self._started = status.timestamp()
        self._tasks: list[asyncio.Task[None]] = []
        self._dirty = asyncio.Event()
        self._leave = asyncio.Event()
        self._gone = False
        self.reported = asyncio.Event()
        """The API knows of this runner's pod, and no longer what an earlier one wrote."""

    @property
    def netns(self) -> str:
        return self._netns

    def update(self, pod: Json) -> None:
        self.pod = self._storage.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._leave.set()

    def vanish(self) -> None:
        """The Pod object is gone: nobody is left to be told."""
        self._gone = True
        self._leave.set()

    async def run(self) -> None:
        self.update(self.pod)
        try:
            if not self._leave.is_set() and self.pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                await self._start()
            else:
                self.reported.set()
            await self._leave.wait()
            await self._stop()
        finally:
            self.reported.set()
            for container in self.containers.values():
                container.kill()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._leave_network()
            self._storage.remove()
        if not self._gone:
            await self._finish()
        log.info("%s/%s: removed", self.namespace, self.name)

    async def _start(self) -> None:
        spec = self.pod["spec"]
        await self._join_network()
        assert self._address is not None
        self._storage.create()
        planner = Planner(self._runtime, self._storage, self.pod, self._address, self.node)
        around = Surroundings(self.node.netns, self._address, spec.get("terminationGracePeriodSeconds", 30))
        policy = spec.get("restartPolicy", "Always")
        for entry in [*spec.get("initContainers", []), *spec["containers"]]:
            initial = entry not in spec["containers"]
            self.containers[entry["name"]] = Container(
                entry,
                plan=planner.plan,
                changed=self._dirty.set,
                log_file=self._runtime.log_dir / f"{self.namespace}_{self.name}_{entry['name']}.log",
                surroundings=around,
                restart_policy=entry.get("restartPolicy")
                or ("OnFailure" if initial and policy == "Always" else policy),
            )
        self._dirty.set()
        self._tasks.append(asyncio.create_task(self._report()))
        self._tasks.append(asyncio.create_task(self._live(planner)))
        log.info("%s/%s: %s on %s", self.namespace, self.name, self._address, self.node.name)

    def _initial(self) -> list[Container]:
        return [self.containers[entry["name"]] for entry in self.pod["spec"].get("initContainers", [])]

    def _main(self) -> list[Container]:
        return [self.containers[entry["name"]] for entry in self.pod["spec"]["containers"]]

    def _launch(self, container: Container) -> asyncio.Task[None]:
        task = asyncio.create_task(container.run())
        self._tasks.append(task)
        return task

    async def _live(self, planner: Planner) -> None:
        """Volumes, then init containers one after the other, then the others."""
        try:
            await self._prepare(planner)
            self._tasks.append(asyncio.create_task(self._storage.keep_fresh()))
            for container in self._initial():
                task = self._launch(container)
                if is_sidecar(container.spec):
                    await container.started.wait()
                    continue
                await task
                if container.state.exit_code != 0:
                    await self._stop_sidecars(0)
                    return
            self._initialized = True
            self._dirty.set()
            running = []
            for container in self._main():
                running.append(self._launch(container))
                if "postStart" in container.spec.get("lifecycle", {}):
                    await container.launched.wait()
            await asyncio.gather(*running)
            if self._leave.is_set():
                # They were told to end, and whoever told them stops the sidecars too: a hook runs once.
                return
            await self._stop_sidecars(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        except Exception:
            log.exception("%s/%s: the pod's life ended early", self.namespace, self.name)
            raise

    async def _prepare(self, planner: Planner) -> None:
        pause = RETRY_SECONDS
        while True:
            try:
                return await planner.prepare()
            except CannotStart as error:
                log.warning("%s/%s: %s: %s", self.namespace, self.name, error.reason, error)
                for container in self.containers.values():
                    container.wait(error.reason, str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY)

    async def _join_network(self) -> None:
        self._address = self.node.pool.take()
        gateway = str(self.node.pool.gateway)
        while not self._leave.is_set():
            try:
                await network.detach(self._netns, self.node.netns)
                await network.attach(self._netns, self.node.netns, self._address, gateway, security.sysctls(self.pod))
                return
            except (network.NetworkError, OSError) as error:
                log.warning("%s/%s: no network yet: %s", self.namespace, self.name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _leave_network(self) -> None:
        if self._address is not None:
            await network.detach(self._netns, self.node.netns)
            self.node.pool.give_back(self._address)
            self._address = None

    async def _report(self) -> None:
        """Write the status back whenever it differs from what was written last."""
        written: Json = {}
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            current = status.pod_status(
                [c.state for c in self._main()],
                [c.state for c in self._initial()],
                initialized=self._initialized,
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
        """The containers, and when they have ended the sidecars, whose hooks run at once, as in a kubelet."""
        grace = 0 if self._gone else self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
        loop = asyncio.get_running_loop()
        began = loop.time()
        sidecars = [c for c in self._initial() if is_sidecar(c.spec)]
        others = [c for c in self.containers.values() if c not in sidecars]
        hooks = asyncio.gather(*(c.prepare_stop(grace) for c in sidecars))
        await asyncio.gather(*(c.stop(grace) for c in others))
        await hooks
        await self._stop_sidecars(max(grace - (loop.time() - began), 0), hook=False)

    async def _stop_sidecars(self, grace: float, hook: bool = True) -> None:
        """The last that started ends first."""
        for container in reversed(self._initial()):
            if is_sidecar(container.spec):
                await container.stop(grace, hook)

    async def _finish(self) -> None:
        """The last word of a kubelet: the Pod object may go now."""
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        with contextlib.suppress(ApiError):  # a conflict means that another Pod has the name already
            await self._runtime.api.persist("DELETE", self._path, options)
