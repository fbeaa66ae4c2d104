# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from lab.kube import pki
from lab.pods import actions
from lab.pods.actions import Action, Exec, Http, Sleep, Target, Tcp


@pytest.fixture(autouse=True)
def _own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(_netns: str) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        return sock

    monkeypatch.setattr(actions, "socket_in", plain)


def run(work: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 20))


async def command(words: Sequence[str]) -> int:
    return 0 if words == ("true",) else 1


async def succeeds(action: Action, timeout: float = 2) -> bool:
    return await actions.succeeds(action, Target("ns", "127.0.0.1", command), timeout)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def handler(request: web.Request) -> web.Response:
        if request.path == "/slow":
            await asyncio.sleep(10)
        good = request.path == "/ok" and request.headers["X-Own"] == "yes" and request.host == "own.test"
        return web.Response(status=204 if good else 500)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        if tls is None:
            assert server.port is not None
            yield server.port
            return
        site = web.TCPSite(server.runner, "127.0.0.1", 0, ssl_context=tls)  # type: ignore[arg-type]
        await site.start()
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]


HEADERS = (("X-Own", "yes"), ("Host", "own.test"))


def test_a_get_succeeds_by_its_status() -> None:
    async def work() -> None:
        async with serving() as port:
            assert await succeeds(Http(port, "/ok", headers=HEADERS))
            assert not await succeeds(Http(port, "/ok", headers=(("X-Own", "yes"),)))
            assert not await succeeds(Http(port, "/bad", headers=HEADERS))
            assert not await succeeds(Http(port, "/slow", headers=HEADERS), timeout=0.2)
            assert not await succeeds(Http(port, "/ok", tls=True, headers=HEADERS))

    run(work)


def test_a_get_over_tls_checks_no_certificate(tmp_path: Path) -> None:
    keys = pki.ensure(tmp_path, pki.standard_subjects(("10.0.0.1",), ()))
    assert keys
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "apiserver.crt", tmp_path / "apiserver.key")

    async def work() -> None:
        async with serving(tls) as port:
            assert await succeeds(Http(port, "/ok", tls=True, headers=HEADERS))

    run(work)


def test_a_connection_is_enough_for_tcp() -> None:
    async def work() -> None:
        async with serving() as port:
            assert await succeeds(Tcp(port))
        assert not await succeeds(Tcp(port))

    run(work)


def test_commands_and_pauses() -> None:
    async def work() -> None:
        assert await succeeds(Exec(("true",)))
        assert not await succeeds(Exec(("false",)))
        assert await succeeds(Sleep(0.01))
        assert not await succeeds(Sleep(5), timeout=0.05)

    run(work)
