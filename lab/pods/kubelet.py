# Part of the lab's stand-in for the kubelet: its HTTPS endpoint, as far as the API server uses it for exec and logs.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port 10250 of every node: exec over WebSocket, container logs. Only the API server's client certificate may enter."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections import deque
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from lab.pods import execution
from lab.pods.container import Container
from lab.pods.network import socket_in
from lab.pods.worker import Node, PodWorker

PORT = 10250
CLIENT = "kube-apiserver-kubelet-client"
POLL_SECONDS = 0.2
SPDY_REFUSED = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "code": 400,
    "reason": "BadRequest",
    "message": "the lab's pod runner speaks exec over WebSocket only: use `lab/lab pod-exec` instead of `kubectl exec`",
}
CHUNK = 65536

Finder = Callable[[str, str, str], PodWorker | None]


def server_tls(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    return context


@web.middleware
async def only_the_api_server(request: web.Request, handler: Handler) -> web.StreamResponse:
    peer = request.get_extra_info("peercert") or {}
    names = [value for part in peer.get("subject", ()) for key, value in part if key == "commonName"]
    if names != [CLIENT]:
        raise web.HTTPForbidden(text=f"this endpoint is for {CLIENT} only\n")
    return await handler(request)


class Endpoint:
    """The endpoint of one node."""

    def __init__(self, node: Node, find: Finder) -> None:
        self._node = node
        self._find = find
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext) -> None:
        app = web.Application(middlewares=[only_the_api_server])
        app.router.add_get("/healthz", self._healthz)
        for method in ("GET", "POST"):
            app.router.add_route(method, "/exec/{namespace}/{pod}/{container}", self._exec)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        await self._runner.setup()
        sock = socket_in(self._node.netns)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self._node.address, PORT))
        await web.SockSite(self._runner, sock, ssl_context=tls).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    def _container(self, request: web.Request) -> Container:
        info = request.match_info
        worker = self._find(self._node.name, info["namespace"], info["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f"pod {info['namespace']}/{info['pod']} does not run on {self._node.name}\n")
        container = worker.containers.get(info["container"])
        if container is None:
            raise web.HTTPNotFound(text=f"pod {info['pod']} has no container {info['container']}\n")
        return container

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        if container.pid is None:
            raise web.HTTPInternalServerError(text=f"container {container.state.name} is not running\n")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise web.HTTPBadRequest(text=json.dumps(SPDY_REFUSED), content_type="application/json")
        query = request.query
        command = query.getall("command", [])
        if not command:
            raise web.HTTPBadRequest(text="exec: no command\n")
        return await execution.serve(
            request,
            execution.enter(container.pid, command),
            container.env,
            execution.Streams.from_query(query),
        )

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        path = self._container(request).log_file
        query = request.query
        follow = query.get("follow", "").lower() in ("true", "1")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with open(path, "rb") as handle:
            lines = int(query["tailLines"]) if "tailLines" in query else None
            if lines is not None:
                await response.write(b"".join(deque(handle, maxlen=lines)))
            while True:
                chunk = handle.read(CHUNK)
                if chunk:
                    await response.write(chunk)
                elif follow:
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    break
        await response.write_eof()
        return response
