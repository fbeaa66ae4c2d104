# Part of the lab's stand-in for the kubelet: port-forward.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to ports of a pod, carried by SPDY/3.1 inside the binary messages of one WebSocket.

Each connection is a pair of streams that the client opens: `data`, and `error` for one message when it fails.
Clients know no windows of SPDY: a pod that does not read holds up all connections of its WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from aiohttp import WSCloseCode, WSMsgType, web

from lab.pods import spdy
from lab.pods.network import socket_in

log = logging.getLogger("portforward")

PROTOCOL = "SPDY/3.1+portforward.k8s.io"
CHUNK = 32768
FRAMES_FOR_POD = 32  # of one stream, not yet taken by the pod; then the client waits
FRAMES_FOR_CLIENT = 16  # of all streams; then the pods wait
MOST_ANSWERS = 1000
STREAM_SECONDS = 30  # from the first stream of a pair to the second
PING_SECONDS = 10
CLOSE_SECONDS = 2

Opener = Callable[[str], socket.socket]


class Refused(Exception):
    """A stream that cannot be part of a forwarded connection."""


@dataclass(frozen=True)
class Role:
    """What a stream's headers say that it is for."""

    kind: str
    port: int
    request: str

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Role:
        kind, port, request = (headers.get(name, "") for name in ("streamtype", "port", "requestid"))
        if kind not in ("error", "data"):
            raise Refused(f"streamtype is {kind!r}, neither 'error' nor 'data'")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise Refused(f"{port!r} is not a port")
        if not request:
            raise Refused("there is no requestid")
        return cls(kind, int(port), request)


def refusal(request: web.Request) -> str | None:
    """Why the request is not answered with a WebSocket; None when it is."""
    spoken = f"the lab's pod runner speaks port-forward as WebSocket subprotocol {PROTOCOL} only"
    upgrade = request.headers.get("Upgrade", "")
    if upgrade.lower() != "websocket":
        return f"{spoken}, not as {upgrade or 'a plain request'}"
    offer = request.headers.get("Sec-WebSocket-Protocol", "")
    if PROTOCOL in (name.strip() for name in offer.split(",")):
        return None
    return f"{spoken}; the client offers {offer or 'none'}"


async def serve(request: web.Request, netns: str, opener: Opener = socket_in) -> web.StreamResponse:
    if reason := refusal(request):
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 400, "reason": "BadRequest"}
        return web.json_response({**status, "message": reason}, status=400)
    limit = 2 * spdy.MAX_FRAME
    websocket = web.WebSocketResponse(protocols=(PROTOCOL,), max_msg_size=limit, compress=False, timeout=CLOSE_SECONDS)
    await websocket.prepare(request)
    await Session(websocket, partial(opener, netns), "{namespace}/{pod}".format_map(request.match_info)).run()
    return websocket


@dataclass(eq=False)
class Pair:
    """One forwarded connection: the numbers of its streams, and what came for the pod (an empty piece is the end)."""

    streams: dict[str, int] = field(default_factory=dict)
    port: int = 0
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    inbox: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(FRAMES_FOR_POD))
    task: asyncio.Task[str] | None = None


class Outgoing:
    """Frames on their way to the client, in order. Only data waits for room: reading never waits for writing."""

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        self._websocket = websocket
        self._encoder = spdy.Encoder()
        self.waiting: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self._room = asyncio.Semaphore(FRAMES_FOR_CLIENT)

    def answer(self, frame: spdy.Frame) -> None:
        self.waiting.put_nowait((self._encoder.encode(frame), False))

    async def data(self, frame: spdy.Data) -> None:
        await self._room.acquire()
        self.waiting.put_nowait((self._encoder.encode(frame), True))

    async def run(self) -> None:
        while True:
            frame, takes_room = await self.waiting.get()
            await self._websocket.send_bytes(frame)
            if takes_room:
                self._room.release()


class Session:
    """All connections of one WebSocket."""

    def __init__(self, websocket: web.WebSocketResponse, opener: Callable[[], socket.socket], pod: str) -> None:
        self._websocket = websocket
        self._opener = opener
        self._pod = pod
        self._out = Outgoing(websocket)
        self._last_stream = 0
        self._incomplete: dict[str, Pair] = {}
        self._open: dict[int, Pair] = {}  # by stream
        self._receiving: dict[int, asyncio.Queue[bytes]] = {}  # by data stream that the client has not ended
        self._tasks: set[asyncio.Task[str]] = set()

    async def run(self) -> None:
        """Until the client goes, says good-bye, or breaks the protocol."""
        own = [asyncio.create_task(work) for work in (self._read(), self._out.run(), self._ping())]
        try:
            done, _rest = await asyncio.wait(own, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*own, *self._tasks):
                task.cancel()
            await asyncio.gather(*own, *self._tasks, return_exceptions=True)
        broken = False
        for error in filter(None, (task.exception() for task in done)):
            if not isinstance(error, ConnectionError | spdy.SpdyError):
                raise error
            log.info("%s: %s", self._pod, error)
            broken |= isinstance(error, spdy.SpdyError)
        with contextlib.suppress(ConnectionError, TimeoutError):
            status = spdy.GOAWAY_PROTOCOL_ERROR if broken else spdy.GOAWAY_OK
            good_bye = spdy.Encoder().encode(spdy.GoAway(self._last_stream, status))  # no headers: any encoder will do
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._websocket.send_bytes(good_bye)
        await self._websocket.close(code=WSCloseCode.PROTOCOL_ERROR if broken else WSCloseCode.OK, drain=False)

    async def _ping(self) -> None:
        """While reading waits for a pod, only writing notices that the client has gone."""
        while True:
            await asyncio.sleep(PING_SECONDS)
            await self._websocket.ping()

    async def _read(self) -> None:
        decoder = spdy.Decoder()
        async for message in self._websocket:
            if message.type is WSMsgType.ERROR:
                return
            if message.type is not WSMsgType.BINARY:
                raise spdy.SpdyError("a message that is not binary")
            for frame in decoder.feed(message.data):
                if isinstance(frame, spdy.GoAway):
                    return
                await self._handle(frame)
            if self._out.waiting.qsize() > MOST_ANSWERS:
                raise spdy.SpdyError(f"more than {MOST_ANSWERS} frames that the client does not read")

    async def _handle(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream(stream, headers, fin):
                self._accept(stream, headers)
                if fin:
                    await self._receive(stream, b"", True)
            case spdy.Data(stream, data, fin):
                await self._receive(stream, data, fin)
            case spdy.RstStream(stream, _status):
                self._reset(stream)
            case spdy.Ping(number) if number % 2:  # the client's own
                self._out.answer(frame)

    def _accept(self, stream: int, headers: Mapping[str, str]) -> None:
        try:
            if stream % 2 == 0 or stream <= self._last_stream:
                raise Refused(f"not odd, or not above {self._last_stream}")
            self._last_stream = stream
            role = Role.from_headers(headers)
            pair = self._incomplete.get(role.request)
            if pair is not None and role.kind in pair.streams:
                raise Refused(f"request {role.request} has a stream of type {role.kind} already")
        except Refused as reason:
            log.warning("%s: stream %s: %s", self._pod, stream, reason)
            self._out.answer(spdy.RstStream(stream, spdy.PROTOCOL_ERROR))
            return
        if pair is None:
            pair = self._incomplete[role.request] = Pair()
            pair.task = asyncio.create_task(self._forward(role.request, pair))
            self._tasks.add(pair.task)
            pair.task.add_done_callback(partial(self._finish, role.request, pair))
        pair.streams[role.kind] = stream
        self._open[stream] = pair
        if role.kind == "data":
            pair.port = role.port
            self._receiving[stream] = pair.inbox
        self._out.answer(spdy.SynReply(stream))
        if len(pair.streams) == 2:
            del self._incomplete[role.request]
            pair.complete.set()

    async def _receive(self, stream: int, data: bytes, fin: bool) -> None:
        if (inbox := self._receiving.get(stream)) is not None:
            if data:
                await inbox.put(data)
            if fin and self._receiving.pop(stream, None) is not None:
                await inbox.put(b"")
        elif stream % 2 == 0 or stream > self._last_stream:  # never opened; what comes late is no error
            self._out.answer(spdy.RstStream(stream, spdy.INVALID_STREAM))

    def _reset(self, stream: int) -> None:
        pair = self._open.pop(stream, None)
        if pair and pair.task and pair.streams.get("data") == stream:
            pair.task.cancel()

    async def _forward(self, request: str, pair: Pair) -> str:
        """One connection from beginning to end; returns what went wrong."""
        try:
            async with asyncio.timeout(STREAM_SECONDS):
                await pair.complete.wait()
        except TimeoutError:
            return f"request {request}: timed out waiting for its second stream"
        return await self._connection(pair.streams["data"], pair.port, pair.inbox)

    def _finish(self, request: str, pair: Pair, task: asyncio.Task[str]) -> None:
        """The error stream's end tells the client that all is over."""
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        failure = "" if task.cancelled() else repr(problem) if problem else task.result()
        if failure:
            log.warning("%s: %s", self._pod, failure, exc_info=problem)
        if self._incomplete.get(request) is pair:
            del self._incomplete[request]
        data, error = pair.streams.get("data", 0), pair.streams.get("error", 0)
        if self._open.pop(error, None) is not None:
            self._out.answer(spdy.Data(error, failure.encode(), fin=True))
        if self._open.pop(data, None) is not None and failure:
            self._out.answer(spdy.RstStream(data, spdy.CANCEL))
        self._receiving.pop(data, None)
        while not pair.inbox.empty():  # the reader may be waiting to put more
            pair.inbox.get_nowait()

    async def _connection(self, stream: int, port: int, inbox: asyncio.Queue[bytes]) -> str:
        """Copy both ways until both ends have ended; returns what went wrong, in the kubelet's words."""
        what = f"error forwarding port {port} to pod {self._pod}"
        try:
            pod = self._opener()
        except OSError as error:
            return f"{what}: failed to open its network namespace: {_reason(error)}"
        with pod:
            try:
                await asyncio.get_running_loop().sock_connect(pod, ("127.0.0.1", port))
            except OSError as error:
                return f"{what}: failed to connect to 127.0.0.1:{port} in its network namespace: {_reason(error)}"
            to_pod = asyncio.create_task(_to_pod(inbox, pod))
            try:
                await self._from_pod(pod, stream)
                await to_pod
            except OSError as error:
                return f"{what}: read from 127.0.0.1:{port}: {_reason(error)}"
            finally:
                to_pod.cancel()
                await asyncio.gather(to_pod, return_exceptions=True)  # its socket must not close under it
        return ""

    async def _from_pod(self, pod: socket.socket, stream: int) -> None:
        while chunk := await asyncio.get_running_loop().sock_recv(pod, CHUNK):
            await self._out.data(spdy.Data(stream, chunk))
        await self._out.data(spdy.Data(stream, b"", fin=True))


async def _to_pod(inbox: asyncio.Queue[bytes], pod: socket.socket) -> None:
    while chunk := await inbox.get():
        with contextlib.suppress(OSError):  # reading tells whether the pod ended well or not
            await asyncio.get_running_loop().sock_sendall(pod, chunk)
    with contextlib.suppress(OSError):
        pod.shutdown(socket.SHUT_WR)


def _reason(error: OSError) -> str:
    """As Go's programs write it: kubectl's users look for "connection refused"."""
    return os.strerror(error.errno).lower() if error.errno else str(error)
