# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from aiohttp.test_utils import TestServer

from lab.pods import portforward, spdy

LIMIT = 30
MIB = 1 << 20
Pod = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT))


def here(_netns: str) -> socket.socket:
    """Stands in for a socket of another network namespace, which takes root."""
    sock = socket.socket()
    sock.setblocking(False)
    return sock


@asynccontextmanager
async def runner(opener: portforward.Opener = here) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await portforward.serve(request, "netns", opener)

    app = web.Application()
    app.router.add_route("*", "/portForward/{namespace}/{pod}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/portForward/shop/web-1"))


@asynccontextmanager
async def listening(pod: Pod) -> AsyncIterator[int]:
    server = await asyncio.start_server(pod, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


class Client:
    """As client-go: a pair of streams for each connection."""

    def __init__(self, websocket: ClientWebSocketResponse) -> None:
        self.websocket = websocket
        self.frames: list[spdy.Frame] = []
        self._encoder, self._decoder = spdy.Encoder(), spdy.Decoder()
        self._next = 1

    async def send(self, *frames: spdy.Frame) -> None:
        for frame in frames:
            await self.send_at_once(frame)

    async def send_at_once(self, *frames: spdy.Frame) -> None:
        await self.websocket.send_bytes(b"".join(self._encoder.encode(frame) for frame in frames))

    async def until(self, *wanted: spdy.Frame) -> None:
        """Read until all of these have come."""
        while not all(frame in self.frames for frame in wanted):
            message = await self.websocket.receive()
            assert message.type is WSMsgType.BINARY, (message, self.frames)
            self.frames += self._decoder.feed(message.data)

    async def stream(self, kind: str, request: str, port: int) -> int:
        number, self._next = self._next, self._next + 2
        await self.send(spdy.SynStream(number, {"streamType": kind, "port": str(port), "requestID": request}))
        await self.until(spdy.SynReply(number))
        return number

    async def connect(self, request: str, port: int) -> tuple[int, int]:
        """The numbers of the error and the data stream."""
        error = await self.stream("error", request, port)
        await self.send(spdy.Data(error, b"", fin=True))
        return error, await self.stream("data", request, port)

    def received(self, stream: int) -> bytes:
        return b"".join(f.data for f in self.frames if isinstance(f, spdy.Data) and f.stream == stream)


@asynccontextmanager
async def forwarding(opener: portforward.Opener = here) -> AsyncIterator[Client]:
    async with (
        runner(opener) as url,
        ClientSession() as session,
        session.ws_connect(url, protocols=[portforward.PROTOCOL], max_msg_size=0) as websocket,
    ):
        assert websocket.protocol == portforward.PROTOCOL
        yield Client(websocket)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(portforward.CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write(b"that was all")  # after the client's end: each way ends by itself
    writer.close()


def test_connections_side_by_side_end_each_way_by_itself() -> None:
    async def work() -> None:
        async with listening(echo) as port, forwarding() as client:
            pairs = [await client.connect(request, port) for request in ("0", "1")]
            payloads = [bytes([65 + n]) * MIB for n in range(2)]

            async def send() -> None:
                for start in range(0, MIB, 32768):
                    for (_error, data), payload in zip(pairs, payloads, strict=True):
                        await client.send(spdy.Data(data, payload[start : start + 32768]))
                await client.send(*(spdy.Data(data, b"", fin=True) for _error, data in pairs))

            ends = [spdy.Data(stream, b"", fin=True) for pair in pairs for stream in pair]
            await asyncio.gather(send(), client.until(*ends))
            for (error, data), payload in zip(pairs, payloads, strict=True):
                assert client.received(data) == payload + b"that was all"
                assert client.received(error) == b""
            assert not any(isinstance(frame, spdy.RstStream) for frame in client.frames)

    run(work)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def gone(_netns: str) -> socket.socket:
    raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize(
    ("opener", "message"),
    [
        (here, "failed to connect to 127.0.0.1:{port} in its network namespace: connection refused"),
        (gone, "failed to open its network namespace: no such file or directory"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_on_the_error_stream(opener: portforward.Opener, message: str) -> None:
    async def work() -> None:
        port = free_port()
        expected = f"error forwarding port {port} to pod shop/web-1: {message.format(port=port)}".encode()
        async with forwarding(opener) as client:
            error, data = await client.connect("0", port)
            await client.until(spdy.RstStream(data, spdy.CANCEL), spdy.Data(error, expected, fin=True))
            await client.send(spdy.Ping(1))
            await client.until(spdy.Ping(1))  # the WebSocket goes on

    run(work)


def test_a_pod_that_resets_the_connection_is_told_on_the_error_stream() -> None:
    async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def work() -> None:
        async with listening(reset) as port, forwarding() as client:
            error, data = await client.connect("0", port)
            what = f"error forwarding port {port} to pod shop/web-1: read from 127.0.0.1:{port}: "
            message = f"{what}connection reset by peer".encode()
            await client.until(spdy.RstStream(data, spdy.CANCEL), spdy.Data(error, message, fin=True))

    run(work)


def test_a_client_that_resets_the_data_stream_ends_the_connection() -> None:
    async def work() -> None:
        ended = asyncio.Event()

        async def pod(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            ended.set()
            writer.close()

        async with listening(pod) as port, forwarding() as client:
            error, data = await client.connect("0", port)
            await client.send(spdy.Data(data, b"x"), spdy.RstStream(data, spdy.CANCEL))
            await client.until(spdy.Data(error, b"", fin=True))
            await ended.wait()
            await client.send(spdy.Data(data, b"late"), spdy.Ping(1))
            await client.until(spdy.Ping(1))
            assert not any(isinstance(frame, spdy.RstStream) for frame in client.frames)

    run(work)


@pytest.mark.parametrize("first", [0, 1])
def test_a_reset_that_comes_at_once_ends_the_error_stream_too(first: int) -> None:
    def opener(_netns: str) -> socket.socket:
        raise AssertionError("nothing is left to connect for")

    async def work() -> None:
        async with forwarding(opener) as client:
            headers = {"port": "80", "requestid": "0"}
            frames: list[spdy.Frame] = [
                spdy.SynStream(1, {**headers, "streamtype": "error"}),
                spdy.SynStream(3, {**headers, "streamtype": "data"}),
                spdy.RstStream(3, spdy.CANCEL),
            ]
            await client.send(*frames[:first])
            if first:
                await client.until(spdy.SynReply(1))
            await client.send_at_once(*frames[first:])
            await client.until(spdy.Data(1, b"", fin=True))

    run(work)


HEADERS = {"streamtype": "data", "port": "80", "requestid": "0"}


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (spdy.SynStream(1, {**HEADERS, "port": "0"}), spdy.PROTOCOL_ERROR),
        (spdy.SynStream(1, {**HEADERS, "port": "65536"}), spdy.PROTOCOL_ERROR),
        (spdy.SynStream(1, {**HEADERS, "streamtype": "resize"}), spdy.PROTOCOL_ERROR),
        (spdy.SynStream(1, {"streamtype": "data", "port": "80"}), spdy.PROTOCOL_ERROR),
        (spdy.SynStream(2, HEADERS), spdy.PROTOCOL_ERROR),
        (spdy.Data(5, b"x"), spdy.INVALID_STREAM),
    ],
)
def test_a_stream_that_has_no_place_is_reset(frame: spdy.SynStream | spdy.Data, status: int) -> None:
    async def work() -> None:
        async with forwarding() as client:
            await client.send(spdy.Ping(2), frame, spdy.Ping(1))
            await client.until(spdy.Ping(1))
            assert client.frames == [spdy.RstStream(frame.stream, status), spdy.Ping(1)]

    run(work)


def test_a_second_stream_of_the_same_kind_is_reset_and_a_missing_one_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portforward, "STREAM_SECONDS", 0.2)

    async def work() -> None:
        async with forwarding() as client:
            error = await client.stream("error", "7", 80)
            await client.send(spdy.SynStream(3, {"streamtype": "error", "port": "80", "requestid": "7"}))
            message = b"request 7: timed out waiting for its second stream"
            await client.until(spdy.RstStream(3, spdy.PROTOCOL_ERROR), spdy.Data(error, message, fin=True))

    run(work)


async def closing(client: Client) -> int | None:
    while (message := await client.websocket.receive()).type is WSMsgType.BINARY:
        client.frames += client._decoder.feed(message.data)
    return client.websocket.close_code


def test_a_good_bye_is_answered() -> None:
    async def work() -> None:
        async with listening(echo) as port, forwarding() as client:
            _error, data = await client.connect("0", port)
            await client.send(spdy.GoAway(0, spdy.GOAWAY_OK))
            assert await closing(client) == 1000
            assert client.frames[-1] == spdy.GoAway(data, spdy.GOAWAY_OK)

    run(work)


def test_what_is_not_spdy_ends_the_websocket() -> None:
    async def work() -> None:
        async with forwarding() as client:
            await client.websocket.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
            assert await closing(client) == 1002
            assert client.frames == [spdy.GoAway(0, spdy.GOAWAY_PROTOCOL_ERROR)]

    run(work)


async def stalls(progress: Callable[[], int]) -> int:
    """Where it stands when it has not moved for a while."""
    last = -1
    while (now := progress()) != last:
        last = now
        await asyncio.sleep(0.5)
    return last


def test_a_client_waits_for_a_slow_pod_and_its_leaving_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portforward, "PING_SECONDS", 0.1)

    async def work() -> None:
        released = asyncio.Event()
        opened: list[socket.socket] = []

        def opener(netns: str) -> socket.socket:
            opened.append(here(netns))
            return opened[0]

        async def pod(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await released.wait()  # reads nothing
            writer.close()

        async with listening(pod) as port, forwarding(opener) as client:
            _error, data = await client.connect("0", port)
            sent = 0

            async def send() -> None:
                nonlocal sent
                while True:
                    await client.send(spdy.Data(data, bytes(32768)))
                    sent += 32768

            sending = asyncio.create_task(send())
            assert MIB < await stalls(lambda: sent) < 32 * MIB
            response = client.websocket._response
            assert response.connection is not None
            assert response.connection.transport is not None
            response.connection.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)
            while opened[0].fileno() != -1:
                await asyncio.sleep(0.05)
            released.set()

    run(work)


def test_a_pod_waits_for_a_slow_client() -> None:
    async def work() -> None:
        sent = 0

        async def pod(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            for _piece in range(64):
                writer.write(bytes(MIB))
                await writer.drain()
                sent += MIB
            writer.close()

        async with listening(pod) as port, forwarding() as client:
            error, data = await client.connect("0", port)
            assert await stalls(lambda: sent) < 32 * MIB
            await client.send(spdy.Data(data, b"", fin=True))
            await client.until(spdy.Data(error, b"", fin=True))
            assert len(client.received(data)) == 64 * MIB

    run(work)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "not as a plain request"),
        ({"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}, "not as SPDY/3.1"),
        ({"Upgrade": "websocket"}, "the client offers none"),
        (
            {"Upgrade": "websocket", "Sec-WebSocket-Protocol": "v4.channel.k8s.io, portforward.k8s.io"},
            "the client offers v4.channel.k8s.io, portforward.k8s.io",
        ),
    ],
)
def test_other_protocols_are_refused_by_name(headers: dict[str, str], said: str) -> None:
    async def work() -> None:
        async with runner() as url, ClientSession() as session, session.post(url, headers=headers) as response:
            status = await response.json()
            assert (response.status, status["kind"], status["code"]) == (400, "Status", 400)
            assert "SPDY/3.1+portforward.k8s.io" in status["message"]
            assert status["message"].endswith(said)

    run(work)
