# Part of the lab's stand-in for the kubelet: exec.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a container, its streams carried by a WebSocket's channels.

Of the three protocols v4 added the Status on the error channel, v5 the message that closes a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")
CHUNK = 32768
NSENTER = "/usr/bin/nsenter"  # in full: PATH is the container's


@dataclass(frozen=True)
class Streams:
    """Which streams the client asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Streams:
        """The kubelet's own parameter names differ from the API's."""
        wanted = [query.get(name, "").lower() in ("1", "true") for name in ("input", "output", "error", "tty")]
        return cls(*wanted)


def enter(pid: int, command: Sequence[str]) -> list[str]:
    """Command line that runs `command` in the namespaces of a container's first process."""
    return [NSENTER, "-t", str(pid), "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *command]


def exit_status(code: int) -> dict[str, Any]:
    """The Status object of the error channel."""
    if code == 0:
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def accept(request: web.Request, streams: Streams) -> web.WebSocketResponse:
    """Answer the handshake; an empty message on the first stream tells the client that it is open."""
    socket = web.WebSocketResponse(protocols=PROTOCOLS, autoclose=True, max_msg_size=0, heartbeat=None)
    await socket.prepare(request)
    first = STDOUT if streams.stdout else STDERR if streams.stderr and not streams.tty else ERROR
    await socket.send_bytes(bytes([first]))
    return socket


async def finish(socket: web.WebSocketResponse, code: int) -> None:
    if not socket.closed:
        await socket.send_bytes(bytes([ERROR]) + json.dumps(exit_status(code)).encode())
        await socket.close()


async def serve(
    request: web.Request, argv: Sequence[str], env: Mapping[str, str], streams: Streams
) -> web.WebSocketResponse:
    socket = await accept(request, streams)
    writer: asyncio.StreamWriter | None
    terminal: int | None
    if streams.tty:
        process, reader, writer, terminal = await _start_on_terminal(argv, env)
        outputs = [(STDOUT, reader)]
    else:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            cwd="/",
            stdin=subprocess.PIPE if streams.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if streams.stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE if streams.stderr else subprocess.DEVNULL,
            start_new_session=True,
        )
        writer, terminal = process.stdin, None
        outputs = [(c, r) for c, r in ((STDOUT, process.stdout), (STDERR, process.stderr)) if r is not None]
    pumps = [asyncio.create_task(_pump(reader, socket, channel)) for channel, reader in outputs]
    incoming = asyncio.create_task(_receive(socket, process, writer if streams.stdin else None, terminal))
    try:
        code = await process.wait()
        await asyncio.gather(*pumps, return_exceptions=True)
        await finish(socket, code if code >= 0 else 128 - code)
    finally:
        _end(process)
        for task in (*pumps, incoming):
            task.cancel()
        await asyncio.gather(*pumps, incoming, return_exceptions=True)
        if terminal is not None:
            os.close(terminal)
    return socket


def _end(process: asyncio.subprocess.Process) -> None:
    """The command's whole session: nsenter itself is only the parent of what runs in the container."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _pump(reader: asyncio.StreamReader, socket: web.WebSocketResponse, channel: int) -> None:
    with contextlib.suppress(ConnectionError, OSError):
        while data := await reader.read(CHUNK):
            await socket.send_bytes(bytes([channel]) + data)


async def _receive(
    socket: web.WebSocketResponse,
    process: asyncio.subprocess.Process,
    stdin: asyncio.StreamWriter | None,
    terminal: int | None,
) -> None:
    async for message in socket:
        if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
            break
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        if data[:1] == bytes([STDIN]) and stdin is not None:
            with contextlib.suppress(ConnectionError):
                stdin.write(data[1:])
                await stdin.drain()
        elif data == bytes([CLOSE, STDIN]) and stdin is not None and terminal is None:
            stdin.close()
        elif data[:1] == bytes([RESIZE]) and terminal is not None:
            size = json.loads(data[1:])
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size["Height"], size["Width"], 0, 0))
    _end(process)  # the client has left


class _TerminalOutput(asyncio.StreamReaderProtocol):
    """A terminal reports its end as an input/output error; taken as one, it would hide what was not read yet."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None if isinstance(exc, OSError) else exc)


async def _start_on_terminal(
    argv: Sequence[str], env: Mapping[str, str]
) -> tuple[asyncio.subprocess.Process, asyncio.StreamReader, asyncio.StreamWriter, int]:
    """A process on a pseudo-terminal: what reads from it, writes to it, and its file descriptor."""
    master, slave = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            "/usr/bin/setsid",
            "--ctty",
            *argv,
            env={"TERM": "xterm", **env},
            cwd="/",
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
    finally:
        os.close(slave)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: _TerminalOutput(reader), os.fdopen(os.dup(master), "rb", buffering=0))
    output = os.fdopen(os.dup(master), "wb", buffering=0)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, output)
    return process, reader, asyncio.StreamWriter(transport, protocol, None, loop), master
