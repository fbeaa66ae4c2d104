# Part of the lab's stand-in for the kubelet: its connection to the API server.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few calls that the runner makes, asynchronous, surviving restarts of the API server."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

log = logging.getLogger("api")
Json = dict[str, Any]

MERGE = "application/merge-patch+json"
CALL_TIMEOUT = aiohttp.ClientTimeout(total=15)
WATCH_SECONDS = 300
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0


class ApiError(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


UNREACHABLE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def tls_context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.load_cert_chain(cert, key)
    return context


class Api:
    def __init__(self, server: str, context: ssl.SSLContext) -> None:
        self._server = server.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0), raise_for_status=False
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Json | None = None, content: str = "application/json") -> Json:
        """One request; ApiError for an answer that is not a success."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content, "Accept": "application/json"}
        async with self._session.request(
            method, self._server + path, data=data, headers=headers, timeout=CALL_TIMEOUT
        ) as response:
            document = await response.json(content_type=None)
            if response.status >= 400:
                raise ApiError(response.status, str(document.get("message", document)))
            return document

    async def persist(
        self, method: str, path: str, body: Json | None = None, content: str = "application/json"
    ) -> Json | None:
        """Like call, repeated until the API server answers; None when the object is gone."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self.call(method, path, body, content)
            except ApiError as error:
                if error.status == 404:
                    return None
                if error.status < 500 and error.status != 429:
                    raise
                log.warning("%s %s: %s; trying again", method, path, error)
            except UNREACHABLE as error:
                log.warning("%s %s: %r; trying again", method, path, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def watch(self, path: str, query: str) -> AsyncIterator[tuple[str, Any]]:
        """Yield ("SYNC", [object, …]) for every full list and (event type, object) for what follows it, for ever."""
        pause = FIRST_PAUSE
        while True:
            try:
                listing = await self.call("GET", f"{path}?{query}")
                pause = FIRST_PAUSE
                yield "SYNC", listing.get("items", [])
                async for event in self._events(path, query, listing["metadata"]["resourceVersion"]):
                    yield event
            except (ApiError, *UNREACHABLE) as error:
                log.warning("watch %s: %r; listing again", path, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _events(self, path: str, query: str, version: str) -> AsyncIterator[tuple[str, Json]]:
        """Events since `version`, over as many connections as it takes; returns when the version is too old."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=WATCH_SECONDS + 30)
        while True:
            url = (
                f"{self._server}{path}?{query}&watch=true&allowWatchBookmarks=true"
                f"&resourceVersion={version}&timeoutSeconds={WATCH_SECONDS}"
            )
            async with self._session.get(url, timeout=timeout, headers={"Accept": "application/json"}) as response:
                if response.status != 200:
                    raise ApiError(response.status, await response.text())
                buffer = b""
                async for chunk in response.content.iter_any():
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        event = json.loads(line)
                        kind, item = event["type"], event["object"]
                        if kind == "ERROR":
                            log.info("watch %s: %s", path, item.get("message"))
                            return
                        version = item["metadata"]["resourceVersion"]
                        if kind != "BOOKMARK":
                            yield kind, item
