# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, web
from aiohttp.test_utils import TestServer

from lab.pods import api, execution

Json = dict[str, Any]
LIMIT = 20


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), LIMIT))


@asynccontextmanager
async def serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


def item(version: int, name: str = "p") -> Json:
    return {"metadata": {"name": name, "resourceVersion": str(version)}}


class FakeApi:
    """Answers lists and watches from a script; remembers what was asked."""

    def __init__(self, *watches: list[Json]) -> None:
        self.asked: list[str] = []
        self._watches = list(watches)
        self.lists = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.lists * 100)}, "items": [item(1)]})
        self.asked.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        for event in self._watches.pop(0) if self._watches else []:
            text = json.dumps(event).encode() + b"\n"
            await response.write(text[:10])  # an event may come in pieces
            await response.write(text[10:])
        return response


async def collect(fake: FakeApi, count: int) -> list[tuple[str, Any]]:
    found = []
    async with serving(fake.answer) as url:
        client = api.Api(url, ssl.create_default_context())
        try:
            async for event in client.watch("/api/v1/pods", "fieldSelector=x"):
                found.append(event)
                if len(found) == count:
                    break
        finally:
            await client.close()
    return found


def test_a_watch_goes_on_where_its_connection_ended() -> None:
    async def work() -> None:
        fake = FakeApi(
            [{"type": "ADDED", "object": item(101)}, {"type": "BOOKMARK", "object": item(150)}],
            [{"type": "MODIFIED", "object": item(151)}],
        )
        found = await collect(fake, 3)
        assert [kind for kind, _item in found] == ["SYNC", "ADDED", "MODIFIED"]
        assert fake.asked[:2] == ["100", "150"]
        assert fake.lists == 1

    run(work)


def test_a_watch_that_is_too_old_lists_again() -> None:
    async def work() -> None:
        fake = FakeApi([{"type": "ERROR", "object": {"code": 410, "message": "too old"}}], [])
        assert [kind for kind, _item in await collect(fake, 2)] == ["SYNC", "SYNC"]

    run(work)


def test_a_write_is_repeated_until_the_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "FIRST_PAUSE", 0.01)
    answers = [503, 500, 200]

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"message": "not yet"}, status=answers.pop(0))

    async def work() -> None:
        async with serving(handler) as url:
            client = api.Api(url, ssl.create_default_context())
            try:
                assert await client.persist("PATCH", "/x", {}) == {"message": "not yet"}
                answers.append(404)
                assert await client.persist("DELETE", "/x", {}) is None
                answers.append(409)
                with pytest.raises(api.ApiError, match="409: not yet"):
                    await client.persist("DELETE", "/x", {})
            finally:
                await client.close()

    run(work)


# exec -----------------------------------------------------------------------------------------------------------------


async def execute(
    script: str,
    streams: execution.Streams,
    stdin: bytes = b"",
    protocols: tuple[str, ...] = ("v4.channel.k8s.io",),
    close: bool = False,
) -> tuple[dict[int, bytes], str | None]:
    """Run a shell script through the WebSocket; returns the bytes by channel and the agreed protocol."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await execution.serve(request, ["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, streams)

    found: dict[int, bytes] = {}
    async with (
        serving(handler) as url,
        ClientSession() as session,
        session.ws_connect(url, protocols=protocols) as socket,
    ):
        if stdin:
            await socket.send_bytes(b"\0" + stdin)
        if close:
            await socket.send_bytes(bytes([execution.CLOSE, execution.STDIN]))
        async for message in socket:
            assert message.type == WSMsgType.BINARY
            found[message.data[0]] = found.get(message.data[0], b"") + message.data[1:]
        return found, socket.protocol
    raise AssertionError


def test_streams_and_exit_code_have_their_channels() -> None:
    async def work() -> None:
        found, protocol = await execute(
            "echo out; echo err >&2; exit 7", execution.Streams(stdin=False, stdout=True, stderr=True, tty=False)
        )
        assert protocol == "v4.channel.k8s.io"
        assert (found[execution.STDOUT], found[execution.STDERR]) == (b"out\n", b"err\n")
        assert json.loads(found[execution.ERROR])["details"]["causes"][0]["message"] == "7"

    run(work)


def test_a_signal_ends_as_a_shell_says_it() -> None:
    async def work() -> None:
        found, _status = await execute("kill -9 $$", execution.Streams(False, True, True, False))
        assert json.loads(found[execution.ERROR])["details"]["causes"][0]["message"] == "137"

    run(work)


def test_standard_input_reaches_the_command() -> None:
    async def work() -> None:
        found, _status = await execute(
            "read line; echo got $line", execution.Streams(True, True, True, False), b"word\n"
        )
        assert found[execution.STDOUT] == b"got word\n"
        assert json.loads(found[execution.ERROR])["status"] == "Success"

    run(work)


@pytest.mark.parametrize("words", [b"two words", b""])
def test_a_client_of_v5_ends_standard_input(words: bytes) -> None:
    async def work() -> None:
        streams = execution.Streams(True, True, True, False)
        found, protocol = await execute("cat", streams, words, ("v5.channel.k8s.io", "v4.channel.k8s.io"), close=True)
        assert protocol == "v5.channel.k8s.io"
        assert found[execution.STDOUT] == words
        assert json.loads(found[execution.ERROR])["status"] == "Success"

    run(work)


def test_a_terminal_is_one() -> None:
    async def work() -> None:
        found, _status = await execute("tty; exit 4", execution.Streams(True, True, True, True))
        assert found[execution.STDOUT].startswith(b"/dev/pts/")
        assert json.loads(found[execution.ERROR])["details"]["causes"][0]["message"] == "4"

    run(work)


def test_the_command_ends_with_its_client(tmp_path: Any) -> None:
    async def work() -> None:
        pid_file = tmp_path / "pid"

        async def handler(request: web.Request) -> web.StreamResponse:
            script = f"echo $$ > {pid_file}; sleep 60 & wait"
            streams = execution.Streams(False, True, True, False)
            return await execution.serve(request, ["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, streams)

        async with serving(handler) as url, ClientSession() as session:
            async with session.ws_connect(url, protocols=execution.PROTOCOLS):
                while not pid_file.exists() or not pid_file.read_text().strip():
                    await asyncio.sleep(0.02)
            while _alive(int(pid_file.read_text())):
                await asyncio.sleep(0.02)

    run(work)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
