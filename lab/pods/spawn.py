# Part of the lab's stand-in for the kubelet: the start of a container's process.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start pod_init and hear from it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pods.errors import CannotStart
from lab.pods.security import Identity, command_as

Json = dict[str, Any]
INIT = Path(__file__).with_name("pod_init.py")
SETUP_TIMEOUT = 20
CHUNK = 65536


@dataclass(frozen=True)
class Plan:
    """Everything that starting a container takes; made anew for every start."""

    init: Json
    argv: list[str]
    env: dict[str, str]
    identity: Identity


@dataclass(frozen=True)
class Started:
    process: asyncio.subprocess.Process
    """pod_init, which ends with the container and has its exit code."""
    pid: int
    """The container's first process."""
    output: asyncio.Task[None]
    """Takes what the container writes to the log; ends after the last of its processes."""


async def spawn(plan: Plan, log_file: Path) -> Started:
    """When this returns, the container's first process exists."""
    reading, writing = os.pipe()
    # A pipe, as in a container runtime, and the user's own:
    # /dev/stdout can be opened by name, and nobody can cut the log.
    log_reading, log_writing = os.pipe()
    os.fchown(log_writing, plan.identity.uid, plan.identity.gid)
    output = asyncio.create_task(_keep(log_reading, log_file))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(INIT)),
            stdin=subprocess.PIPE,
            stdout=log_writing,
            stderr=log_writing,
            pass_fds=(writing,),
            start_new_session=True,
        )
    finally:
        os.close(writing)
        os.close(log_writing)
    document = plan.init | {"argv": command_as(plan.identity, plan.argv), "env": plan.env, "report_fd": writing}
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(document).encode())
        process.stdin.close()
        report = await asyncio.wait_for(_read_all(reading), SETUP_TIMEOUT)
        if report.isdigit():
            return Started(process, int(report), output)
    except BaseException as error:
        process.kill()
        if isinstance(error, TimeoutError):
            raise CannotStart("CreateContainerError", f"pod_init did not answer in {SETUP_TIMEOUT} s") from error
        raise
    await process.wait()
    raise CannotStart("CreateContainerError", report.decode().removeprefix("error ") or "pod_init ended early")


async def _keep(fd: int, path: Path) -> None:
    """Append to the log file what comes through the pipe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab", buffering=0) as log:
        async with _opened(fd) as reader:
            while data := await reader.read(CHUNK):
                log.write(data)


async def _read_all(fd: int) -> bytes:
    async with _opened(fd) as reader:
        return await reader.read()


@asynccontextmanager
async def _opened(fd: int) -> AsyncIterator[asyncio.StreamReader]:
    """A pipe, to be read without blocking the loop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _protocol = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        yield reader
    finally:
        transport.close()
