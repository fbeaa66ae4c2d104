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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.pods.errors import CannotStart
from lab.pods.security import Identity, command_as

Json = dict[str, Any]
INIT = Path(__file__).with_name("pod_init.py")
SETUP_TIMEOUT = 20


@dataclass(frozen=True)
class Plan:
    """Everything that starting a container takes; made anew for every start."""

    init: Json
    argv: list[str]
    env: dict[str, str]
    identity: Identity


async def spawn(plan: Plan, log_file: Path) -> tuple[asyncio.subprocess.Process, int]:
    """Returns pod_init, and the number of the container's first process, which exists by then."""
    reading, writing = os.pipe()
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with open(log_file, "ab") as output:
            command = (sys.executable, "-I", "-S", str(INIT))
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(writing,),
                start_new_session=True,
            )
    finally:
        os.close(writing)
    document = plan.init | {"argv": command_as(plan.identity, plan.argv), "env": plan.env, "report_fd": writing}
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(document).encode())
        process.stdin.close()
        report = await asyncio.wait_for(_read_all(reading), SETUP_TIMEOUT)
        if report.isdigit():
            return process, int(report)
    except BaseException as error:
        process.kill()
        if isinstance(error, TimeoutError):
            raise CannotStart("CreateContainerError", f"pod_init did not answer in {SETUP_TIMEOUT} s") from error
        raise
    await process.wait()
    raise CannotStart("CreateContainerError", report.decode().removeprefix("error ") or "pod_init ended early")


async def _read_all(fd: int) -> bytes:
    """Read a pipe to its end without blocking the loop."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    pipe = os.fdopen(fd, "rb", buffering=0)
    transport, _protocol = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.read()
    finally:
        transport.close()
