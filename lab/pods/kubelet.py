# Part of the lab's stand-in for the kubelet: its HTTPS endpoint, as far as the API server uses it.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port 10250 of every node: exec, attach and port-forward over WebSocket, logs; only the API server may enter."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from lab.pods import execution, logs, portforward
from lab.pods.container import Container
from lab.pods.errors import UnsupportedSpec
from lab.pods.network import socket_in
from lab.pods.plan import Node
from lab.pods.worker import PodWorker

PORT = 10250
CLIENT = "kube-apiserver-kubelet-client"
SPDY_REFUSED = "the lab's pod runner speaks {} over WebSocket only: use a kubectl of 1.31 or newer"

Finder = Callable[[str, str, str], PodWorker | None]


def server_tls(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    return context


def refusal(message: str) -> web.HTTPBadRequest:
    """As the API's Status: the API server hands it to the client of exec and attach as it is."""
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 400, "reason": "BadRequest"}
    return web.HTTPBadRequest(text=json.dumps(status | {"message": message}), content_type="application/json")


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
            app.router.add_route(method, "/attach/{namespace}/{pod}/{container}", self._attach)
            app.router.add_route(method, "/portForward/{namespace}/{pod}", self._port_forward)
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

    def _worker(self, request: web.Request) -> PodWorker:
        info = request.match_info
        worker = self._find(self._node.name, info["namespace"], info["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f"pod {info['namespace']}/{info['pod']} does not run on {self._node.name}\n")
        return worker

    def _container(self, request: web.Request) -> Container:
        info = request.match_info
        container = self._worker(request).containers.get(info["container"])
        if container is None:
            raise web.HTTPNotFound(text=f"pod {info['pod']} has no container {info['container']}\n")
        return container

    def _running(self, request: web.Request, what: str) -> Container:
        """The container, ready to be talked to over a WebSocket."""
        container = self._container(request)
        if container.pid is None:
            raise refusal(f"container {container.state.name} is not running")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise refusal(SPDY_REFUSED.format(what))
        return container

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = self._running(request, "exec")
        command = request.query.getall("command", [])
        if not command:
            raise refusal("exec: no command")
        streams = execution.Streams.from_query(request.query)
        return await execution.serve(request, container.enter(command), container.env, streams)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        container = self._running(request, "attach")
        streams = execution.Streams.from_query(request.query)
        if streams.stdin or streams.tty:
            raise refusal("attach: standard input and terminals are not supported by the lab's pod runner")
        return await logs.attach(request, container, streams)

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        worker = self._worker(request)
        if not any(container.pid for container in worker.containers.values()):
            raise refusal(f"pod {worker.namespace}/{worker.name} has no running container")
        return await portforward.serve(request, worker.netns)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        try:
            wanted = logs.options(request.query)
        except (UnsupportedSpec, ValueError) as error:
            raise web.HTTPBadRequest(text=f"{error}\n") from error
        part = logs.chosen(container, wanted.previous)
        if part is None:
            which = "previous " if wanted.previous else ""
            raise web.HTTPBadRequest(text=f"{which}container {container.state.name} has not run in this pod\n")
        return await logs.serve(request, container, part, wanted)
