# Part of the lab's stand-in for the kubelet: logs of containers, and attach.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's output is a plain file to which every run appends; what a client sees is one run's part of it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSMsgType, web

from lab.pods import execution
from lab.pods.container import Container, LogPart
from lab.pods.errors import UnsupportedSpec

POLL_SECONDS = 0.2
CHUNK = 65536
REFUSED = ("sinceSeconds", "sinceTime", "timestamps")


@dataclass(frozen=True)
class Options:
    follow: bool = False
    previous: bool = False
    tail: int | None = None
    limit: int | None = None


def _true(text: str) -> bool:
    return text.lower() in ("true", "1")


def options(query: Mapping[str, str]) -> Options:
    """As the API server passes them on; lines carry no time here."""
    refused = [name for name in REFUSED if query.get(name) not in (None, "", "false")]
    if query.get("stream", "All") != "All":
        refused.append("stream")
    if refused:
        raise UnsupportedSpec(f"logs: {', '.join(refused)} not supported by the lab's pod runner")
    numbers = {name: int(query[name]) if query.get(name) else None for name in ("tailLines", "limitBytes")}
    follow, previous = (_true(query.get(name, "")) for name in ("follow", "previous"))
    return Options(follow, previous, numbers["tailLines"], numbers["limitBytes"])


def tail(handle: io.BufferedReader, part: LogPart, lines: int | None) -> int:
    """Where the last `lines` lines of the part begin; all of it for None."""
    if lines is None:
        return part.start
    end = part.end if part.end is not None else handle.seek(0, io.SEEK_END)
    handle.seek(part.start)
    starts: deque[int] = deque([end], maxlen=lines + 1)
    position = part.start
    while position < end and (line := handle.readline()):
        starts.append(position)
        position += len(line)
    if lines == 0 or len(starts) == 1:
        return end
    found = [start for start in starts if start != end][-lines:]
    return found[0]


async def read(path: Path, part: LogPart, wanted: Options, live: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What was written, and with `follow` what will be, for as long as the run is `live`."""
    left = wanted.limit
    with contextlib.ExitStack() as stack:
        try:
            handle = stack.enter_context(open(path, "rb"))
        except FileNotFoundError:
            return
        handle.seek(tail(handle, part, wanted.tail))
        while left is None or left > 0:
            going_on = wanted.follow and live()
            size = CHUNK if part.end is None else min(CHUNK, part.end - handle.tell())
            chunk = handle.read(size if left is None else min(size, left))
            if chunk:
                left = None if left is None else left - len(chunk)
                yield chunk
            elif going_on:
                await asyncio.sleep(POLL_SECONDS)
            else:
                break


def chosen(container: Container, previous: bool) -> LogPart | None:
    """The current run's part, or that of the one before it; None when there was no such run."""
    parts = container.log_parts
    if previous:
        return parts[0] if len(parts) > 1 else None
    return parts[-1] if parts else None


async def serve(request: web.Request, container: Container, part: LogPart, wanted: Options) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    run = container.state.incarnation

    def live() -> bool:
        return container.pid is not None and container.state.incarnation == run

    async for chunk in read(container.log_file, part, wanted, live):
        await response.write(chunk)
    await response.write_eof()
    return response


async def attach(request: web.Request, container: Container, streams: execution.Streams) -> web.StreamResponse:
    """What the container writes from now on, until it ends."""
    socket = await execution.accept(request, streams)
    size = container.log_file.stat().st_size
    run = container.state.incarnation

    def live() -> bool:
        return container.pid is not None and container.state.incarnation == run and not socket.closed

    async def until_closed() -> None:
        async for message in socket:
            if message.type == WSMsgType.ERROR:
                break

    listening = asyncio.create_task(until_closed())
    try:
        async for chunk in read(container.log_file, LogPart(size), Options(follow=True), live):
            await socket.send_bytes(bytes([execution.STDOUT]) + chunk)
        await execution.finish(socket, 0)
    except ConnectionError:
        pass  # the client has left
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return socket
