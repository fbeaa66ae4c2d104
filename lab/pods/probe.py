# Part of the lab's stand-in for the kubelet: readiness probes.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readiness by TCP connection or HTTP GET, made from the node as a kubelet does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from lab.pods.images import UnsupportedSpec
from lab.pods.network import socket_in

Json = dict[str, Any]
EAGER = 0.2
"""Seconds between probes until the first success: a lab should not wait for a whole period."""


@dataclass(frozen=True)
class Probe:
    port: int
    http_path: str | None
    delay: float
    period: float
    timeout: float
    failures: int


def parse(container: Json) -> Probe | None:
    """The container's readinessProbe; None when it has none."""
    spec = container.get("readinessProbe")
    if spec is None:
        return None
    action = spec.get("tcpSocket") or spec.get("httpGet")
    if action is None or action.get("scheme", "HTTP") != "HTTP":
        raise UnsupportedSpec(f"container {container['name']}: readinessProbe must be tcpSocket or plain httpGet in the lab's pod runner")
    return Probe(
        port=_port(container, action["port"]),
        http_path=spec["httpGet"].get("path", "/") if "httpGet" in spec else None,
        delay=spec.get("initialDelaySeconds", 0),
        period=spec.get("periodSeconds", 10),
        timeout=spec.get("timeoutSeconds", 1),
        failures=spec.get("failureThreshold", 3),
    )


def _port(container: Json, port: int | str) -> int:
    if isinstance(port, int):
        return port
    for entry in container.get("ports", []):
        if entry.get("name") == port:
            return int(entry["containerPort"])
    raise UnsupportedSpec(f"container {container['name']}: readinessProbe names port {port!r}, which it does not have")


async def holds(probe: Probe, node_netns: str, address: str) -> bool:
    """One try."""
    try:
        return await asyncio.wait_for(_try(probe, node_netns, address), probe.timeout)
    except (TimeoutError, OSError):
        return False


async def _try(probe: Probe, node_netns: str, address: str) -> bool:
    loop = asyncio.get_running_loop()
    with socket_in(node_netns) as sock:
        await loop.sock_connect(sock, (address, probe.port))
        if probe.http_path is None:
            return True
        request = f"GET {probe.http_path} HTTP/1.0\r\nHost: {address}:{probe.port}\r\nUser-Agent: kube-probe\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        answer = await loop.sock_recv(sock, 64)
        words = answer.split()
        return len(words) > 1 and words[1].isdigit() and 200 <= int(words[1]) < 400
