# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a pod the way any client does: WebSocket to the API server, and from there to the kubelet."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO
from urllib.parse import urlencode

import aiohttp

from lab import config
from lab.errors import LabError
from lab.kube.client import Client
from lab.pods.api import tls_context
from lab.pods.execution import ERROR, PROTOCOLS, STDERR, STDOUT
from lab.pods.network import inside

Json = dict[str, Any]
CONNECT_TIMEOUT = 15


def exec_in_pod(
    pod: str, namespace: str, command: Sequence[str], stdout: BinaryIO | None = None, stderr: BinaryIO | None = None
) -> int:
    """Run a command, its output to ours (or to the given files); returns its exit status. `pod` may be a Deployment."""
    client = Client()
    try:
        name = choose(pod, namespace, client.call("GET", f"/api/v1/namespaces/{namespace}/pods")["items"])
    finally:
        client.close()
    with inside(config.topology().netns):
        return asyncio.run(_exec(name, namespace, command, stdout or sys.stdout.buffer, stderr or sys.stderr.buffer))


def choose(wanted: str, namespace: str, pods: Sequence[Json]) -> str:
    """The pod of that name, else the newest running one of the Deployment of that name."""
    running = [p for p in pods if p["status"].get("phase") == "Running" and not p["metadata"].get("deletionTimestamp")]
    for pod in running:
        if pod["metadata"]["name"] == wanted:
            return wanted
    # A Deployment's pods are named <deployment>-<template hash>-<random>.
    of_deployment = [p for p in running if p["metadata"]["name"].rsplit("-", 2)[0] == wanted]
    if not of_deployment:
        names = ", ".join(sorted(p["metadata"]["name"] for p in running)) or "none"
        raise LabError(f"no running pod or deployment {wanted!r} in namespace {namespace}; running: {names}")
    return str(max(of_deployment, key=lambda p: p["metadata"]["creationTimestamp"])["metadata"]["name"])


async def _exec(name: str, namespace: str, command: Sequence[str], stdout: BinaryIO, stderr: BinaryIO) -> int:
    site = config.topology()
    pki = config.state_dir() / "pki"
    query = urlencode([("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)])
    url = f"https://{site.gateway}:{site.api_port}/api/v1/namespaces/{namespace}/pods/{name}/exec?{query}"
    context = tls_context(pki / "ca.crt", pki / "admin.crt", pki / "admin.key")
    outputs = {STDOUT: stdout, STDERR: stderr}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.ws_connect(url, ssl=context, protocols=PROTOCOLS, max_msg_size=0) as socket:
                async for message in socket:
                    channel, data = message.data[0], message.data[1:]
                    if channel in outputs:
                        outputs[channel].write(data)
                        outputs[channel].flush()
                    elif channel == ERROR:
                        return exit_code(json.loads(data))
        except aiohttp.ClientError as error:
            raise LabError(f"exec in pod {namespace}/{name}: {error}") from error
    raise LabError(f"exec in pod {namespace}/{name}: the connection ended before the command did")


def exit_code(status: Json) -> int:
    """What the Status on the error channel says."""
    if status.get("status") == "Success":
        return 0
    for cause in status.get("details", {}).get("causes", []):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise LabError(f"exec: {status.get('message', status)}")
