# Part of the lab's stand-in for the kubelet: one container, that is one supervised process.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the process of a container, start it again when it ends, probe it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pods import probe, status

log = logging.getLogger("container")
Json = dict[str, Any]

INIT = Path(__file__).with_name("pod_init.py")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
STABLE_SECONDS = 30
SETUP_TIMEOUT = 20


class CannotStart(Exception):
    """The container has no process: reason as in the API's waiting state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Plan:
    """Everything that starting a container takes; made anew for every start."""

    init: Json
    argv: list[str]
    env: dict[str, str]


class Container:
    def __init__(
        self,
        spec: Json,
        *,
        plan: Callable[[Json], Awaitable[Plan]],
        changed: Callable[[], None],
        log_file: Path,
        node_netns: str,
        address: str,
        restart_policy: str,
    ) -> None:
        self.state = status.ContainerState(spec["name"], spec["image"], status.waiting("ContainerCreating"), {})
        self.env: dict[str, str] = {}
        self.log_file = log_file
        self.pid: int | None = None
        """Process id of the container's first process, as seen from outside."""
        self._spec = spec
        self._plan = plan
        self._changed = changed
        self._node_netns = node_netns
        self._address = address
        self._restart_policy = restart_policy
        self._stopping = False
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep the container running until it is stopped, or has come to an end that its policy accepts."""
        pause = FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            try:
                code = await self._run_once()
            except CannotStart as error:
                log.warning("%s: %s: %s", self._spec["name"], error.reason, error)
                self._set(status.waiting(error.reason, str(error)))
            else:
                if self._stopping or self._restart_policy == "Never" or (self._restart_policy == "OnFailure" and code == 0):
                    return
                if loop.time() - began > STABLE_SECONDS:
                    pause = FIRST_PAUSE
                self.state.last = self.state.state
                self._set(status.waiting("CrashLoopBackOff", f"exit code {code}; starting again in {pause:.1f} s"))
                self.state.restarts += 1
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def stop(self, grace: float) -> None:
        """SIGTERM, and after the grace period SIGKILL to everything in the container."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        if grace > 0:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), grace)
                return
        self.kill()
        await process.wait()

    def kill(self) -> None:
        """The first process takes all others of its pid namespace along."""
        self._stopping = True
        for pid in (self.pid, self._process.pid if self._process else None):
            if pid is not None and self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _set(self, state: Json, ready: bool = False) -> None:
        self.state.state, self.state.ready = state, ready
        self._changed()

    async def _run_once(self) -> int:
        plan = await self._plan(self._spec)
        if self._stopping:
            return 0
        self.env = plan.env
        process = await self._spawn(plan)
        started = status.timestamp()
        self.state.incarnation = uuid.uuid4().hex
        checking: asyncio.Task[None] | None = None
        wanted = probe.parse(self._spec)
        self._set(status.running(started), ready=wanted is None)
        if wanted is not None:
            checking = asyncio.create_task(self._check(wanted, started))
        try:
            code = await process.wait()
        finally:
            if checking is not None:
                checking.cancel()
            self.pid = None
        log.info("%s: ended with exit code %s", self._spec["name"], code)
        code = code if code >= 0 else 128 - code
        self._set(status.terminated(code, started, f"mesh-lab://{self.state.incarnation}"))
        return code

    async def _spawn(self, plan: Plan) -> asyncio.subprocess.Process:
        """Start pod_init; when this returns, the container's first process exists and self.pid is its number."""
        reading, writing = os.pipe()
        try:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            with open(self.log_file, "ab") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-I",
                    "-S",
                    str(INIT),
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=output,
                    pass_fds=(writing,),
                    start_new_session=True,
                )
        finally:
            os.close(writing)
        self._process = process
        document = plan.init | {"argv": plan.argv, "env": plan.env, "report_fd": writing}
        assert process.stdin is not None
        process.stdin.write(json.dumps(document).encode())
        process.stdin.close()
        report = await asyncio.wait_for(_read_all(reading), SETUP_TIMEOUT)
        if not report.isdigit():
            await process.wait()
            raise CannotStart("CreateContainerError", report.decode().removeprefix("error ") or "pod_init ended early")
        self.pid = int(report)
        return process

    async def _check(self, wanted: probe.Probe, started: str) -> None:
        await asyncio.sleep(wanted.delay)
        failures, succeeded = 0, False
        while True:
            good = await probe.holds(wanted, self._node_netns, self._address)
            failures = 0 if good else failures + 1
            succeeded = succeeded or good
            ready = good or (self.state.ready and failures < wanted.failures)
            if ready != self.state.ready:
                self._set(status.running(started), ready=ready)
            await asyncio.sleep(wanted.period if succeeded else min(probe.EAGER, wanted.period))


async def _read_all(fd: int) -> bytes:
    """Read a pipe to its end without blocking the loop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _protocol = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", buffering=0))
    try:
        return await reader.read()
    finally:
        transport.close()
