# Part of the lab's stand-in for the kubelet: one container, that is one supervised process.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the process of a container, start it again when it ends, probe it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pods import actions, probe, status
from lab.pods.errors import CannotStart, UnsupportedSpec
from lab.pods.execution import enter
from lab.pods.security import Identity, command_as
from lab.pods.spawn import Plan, spawn

log = logging.getLogger("container")
Json = dict[str, Any]

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
HOOKS = ("postStart", "preStop")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
STABLE_SECONDS = 30
LAST_OUTPUT_SECONDS = 2.0
LEAST_GRACE = 2.0
"""What a preStop hook leaves of the grace period at the least, as in a kubelet."""


@dataclass(frozen=True)
class Surroundings:
    node_netns: str
    address: str
    grace: float


@dataclass(frozen=True)
class LogPart:
    """One run's share of the log file; it may still grow when it has no end."""

    start: int
    end: int | None = None


class Container:
    def __init__(
        self,
        spec: Json,
        *,
        plan: Callable[[Json], Awaitable[Plan]],
        changed: Callable[[], None],
        log_file: Path,
        surroundings: Surroundings,
        restart_policy: str,
    ) -> None:
        self.spec = spec
        self.state = status.ContainerState(spec["name"], spec["image"], status.waiting("PodInitializing"), {})
        self.log_file = log_file
        self.log_parts: list[LogPart] = []
        """Those of the current run and of the one before it, in order of time."""
        self.pid: int | None = None
        """Process id of the container's first process, as seen from outside."""
        self.env: dict[str, str] = {}
        self.started = asyncio.Event()
        """postStart hook and startupProbe have succeeded."""
        self.launched = asyncio.Event()
        """The first start, with its postStart hook, has come to an end, good or bad."""
        self._identity = Identity()
        self._hooks: dict[str, actions.Action] = {}
        self._plan = plan
        self._changed = changed
        self._surroundings = surroundings
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
            except (CannotStart, UnsupportedSpec) as error:
                reason = error.reason if isinstance(error, CannotStart) else "Unsupported"
                log.warning("%s: %s: %s", self.spec["name"], reason, error)
                self.wait(reason, str(error))
            else:
                policy = self._restart_policy
                if self._stopping or policy == "Never" or (policy == "OnFailure" and code == 0):
                    return
                if loop.time() - began > STABLE_SECONDS:
                    pause = FIRST_PAUSE
                self.state.last = self.state.state
                self.wait("CrashLoopBackOff", f"exit code {code}; starting again in {pause:.1f} s")
                self.state.restarts += 1
            finally:
                self.launched.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def wait(self, reason: str, message: str = "") -> None:
        """Show why there is no process."""
        self._set(status.waiting(reason, message))

    def enter(self, command: Sequence[str]) -> list[str]:
        """Command line that runs `command` in the container, as its user."""
        assert self.pid is not None
        return enter(self.pid, command_as(self._identity, command))

    async def prepare_stop(self, grace: float) -> None:
        """The preStop hook."""
        hook = self._hooks.get("preStop")
        if hook and self.pid is not None and grace > 0 and not await actions.succeeds(hook, self._target(), grace):
            log.warning("%s: the preStop hook failed", self.spec["name"])

    async def stop(self, grace: float, hook: bool = True) -> None:
        """preStop, SIGTERM, and after the grace period SIGKILL to everything in the container."""
        self._stopping = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        if hook:
            await self.prepare_stop(grace)
        left = grace - (loop.time() - began)
        await self._end(max(left, LEAST_GRACE) if grace > 0 else 0)

    async def _end(self, grace: float) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if grace > 0:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(process.wait(), grace)
                return
        self._kill()
        await process.wait()

    def kill(self) -> None:
        self._stopping = True
        self._kill()

    def _kill(self) -> None:
        """The first process takes all others of its pid namespace along."""
        for pid in (self.pid, self._process.pid if self._process else None):
            if pid is not None and self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _set(self, state: Json, ready: bool = False) -> None:
        self.state.state, self.state.ready = state, ready
        self._changed()

    def _target(self) -> actions.Target:
        return actions.Target(self._surroundings.node_netns, self._surroundings.address, self._execute)

    async def _execute(self, command: Sequence[str]) -> int:
        if self.pid is None:
            return 1
        quiet = subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *self.enter(command), env=self.env, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        try:
            return await process.wait()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()

    async def _run_once(self) -> int:
        probes = {kind: probe.parse(self.spec, kind) for kind in PROBES}
        self._hooks = {
            w: actions.parse(self.spec, w, h) for w, h in self.spec.get("lifecycle", {}).items() if w in HOOKS
        }
        plan = await self._plan(self.spec)
        if self._stopping:
            return 0
        self.env, self._identity = plan.env, plan.identity
        self._new_log_part()
        begun = await spawn(plan, self.log_file)
        process = self._process = begun.process
        self.pid = begun.pid
        since = status.timestamp()
        self.state.incarnation = uuid.uuid4().hex
        self._set(status.running(since))
        attending = asyncio.create_task(self._attend(since, probes))
        try:
            code = await process.wait()
        finally:
            attending.cancel()
            await asyncio.wait([begun.output], timeout=LAST_OUTPUT_SECONDS)
            begun.output.cancel()
            self.pid = None
            self.state.started = False
            self.started.clear()
        log.info("%s: ended with exit code %s", self.spec["name"], code)
        code = code if code >= 0 else 128 - code
        self._set(status.terminated(code, since, f"mesh-lab://{self.state.incarnation}"))
        return code

    def _new_log_part(self) -> None:
        start = self.log_file.stat().st_size if self.log_file.exists() else 0
        before = [LogPart(self.log_parts[-1].start, start)] if self.log_parts else []
        self.log_parts = [*before, LogPart(start)]

    async def _attend(self, since: str, probes: dict[str, probe.Probe | None]) -> None:
        """Everything around a process that runs; cancelled when it ends."""
        hook = self._hooks.get("postStart")
        if hook and not await actions.succeeds(hook, self._target(), None):
            await self._fail("its postStart hook failed")
            return
        self.launched.set()
        startup, readiness = probes["startupProbe"], probes["readinessProbe"]
        if startup and not await anext(self._verdicts(startup, eager=True)):
            await self._fail("its startupProbe failed too often")
            return
        self.state.started = True
        self._set(status.running(since), ready=readiness is None)
        self.started.set()
        await asyncio.gather(self._follow_readiness(since, readiness), self._follow_liveness(probes["livenessProbe"]))

    def _verdicts(self, wanted: probe.Probe, eager: bool) -> Any:
        return probe.verdicts(wanted, lambda: actions.succeeds(wanted.action, self._target(), wanted.timeout), eager)

    async def _fail(self, why: str) -> None:
        log.warning("%s: ended by the runner: %s", self.spec["name"], why)
        await self._end(self._surroundings.grace)

    async def _follow_readiness(self, since: str, wanted: probe.Probe | None) -> None:
        if wanted:
            async for good in self._verdicts(wanted, eager=True):
                if good != self.state.ready:
                    self._set(status.running(since), ready=good)

    async def _follow_liveness(self, wanted: probe.Probe | None) -> None:
        if wanted:
            async for good in self._verdicts(wanted, eager=False):
                if not good:
                    await self._fail("its livenessProbe failed too often")
                    return
