# Part of the lab's stand-in for the kubelet: what is asked of a running container.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of probes and hooks: exec in the container, HTTP(S) and TCP from the node as a kubelet does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.pods.errors import UnsupportedSpec
from lab.pods.network import socket_in

Json = dict[str, Any]


@dataclass(frozen=True)
class Exec:
    command: tuple[str, ...]


@dataclass(frozen=True)
class Tcp:
    port: int
    host: str | None = None


@dataclass(frozen=True)
class Http:
    port: int
    path: str
    host: str | None = None
    tls: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Sleep:
    seconds: float


Action = Exec | Tcp | Http | Sleep


@dataclass(frozen=True)
class Target:
    """Where a container can be reached."""

    node_netns: str
    address: str
    run: Callable[[Sequence[str]], Awaitable[int]]
    """Run a command in the container; returns its exit code."""


def parse(container: Json, what: str, spec: Json) -> Action:
    """The handler of a probe or a hook; `what` names it in messages."""
    if "exec" in spec:
        return Exec(tuple(spec["exec"]["command"]))
    if "tcpSocket" in spec:
        return Tcp(_port(container, what, spec["tcpSocket"]["port"]), spec["tcpSocket"].get("host"))
    if "httpGet" in spec:
        get = spec["httpGet"]
        return Http(
            _port(container, what, get["port"]),
            get.get("path") or "/",
            get.get("host"),
            get.get("scheme", "HTTP") == "HTTPS",
            tuple((h["name"], h["value"]) for h in get.get("httpHeaders", [])),
        )
    if "sleep" in spec:
        return Sleep(spec["sleep"]["seconds"])
    kinds = sorted(k for k, v in spec.items() if isinstance(v, dict)) or ["nothing"]
    message = f"{what} by {kinds[0]} is not supported by the lab's pod runner; use exec, httpGet or tcpSocket"
    raise UnsupportedSpec(f"container {container['name']}: {message}")


def _port(container: Json, what: str, port: int | str) -> int:
    if isinstance(port, int):
        return port
    for entry in container.get("ports", []):
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise UnsupportedSpec(f"container {container['name']}: {what} names port {port!r}, which it does not have")


async def succeeds(action: Action, target: Target, timeout: float | None) -> bool:
    """One try."""
    try:
        return await asyncio.wait_for(_try(action, target), timeout)
    except (TimeoutError, OSError):
        return False


async def _try(action: Action, target: Target) -> bool:
    if isinstance(action, Sleep):
        await asyncio.sleep(action.seconds)
        return True
    if isinstance(action, Exec):
        return await target.run(action.command) == 0
    host = action.host or target.address
    loop = asyncio.get_running_loop()
    with socket_in(target.node_netns) as sock:
        await loop.sock_connect(sock, (host, action.port))
        if isinstance(action, Tcp):
            return True
        tls = _unverified() if action.tls else None
        reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=host if tls else None)
        try:
            writer.write(_request(action, host).encode())
            words = (await reader.readline()).split()
        finally:
            writer.transport.abort()
        return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400


def _request(action: Http, host: str) -> str:
    headers = {"Host": f"{host}:{action.port}", "User-Agent": "kube-probe", "Accept": "*/*", "Connection": "close"}
    headers |= dict(action.headers)
    lines = [f"GET {action.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines) + "\r\n\r\n"


def _unverified() -> ssl.SSLContext:
    """A kubelet checks no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
