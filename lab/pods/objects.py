# Part of the lab's stand-in for the kubelet: Secrets and ConfigMaps that pods refer to.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch what Pods refer to; pods on the same objects share an answer for a while."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from lab.pods.api import UNREACHABLE, Api, ApiError
from lab.pods.errors import CannotStart

Json = dict[str, Any]
Found = dict[tuple[str, str], Json | None]
"""By kind ("secrets" or "configmaps") and name; None for an optional one that does not exist."""


class Ref(NamedTuple):
    kind: str
    name: str
    optional: bool = False


class Objects:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._kept: dict[str, tuple[float, Json | None]] = {}

    async def fetch(self, namespace: str, refs: Iterable[Ref], max_age: float = 0) -> Found:
        """All of them, none older than `max_age` seconds; CannotStart names the first that cannot be had."""
        found: Found = {}
        for kind, name, optional in sorted(refs):
            try:
                item = await self._get(f"/api/v1/namespaces/{namespace}/{kind}/{name}", max_age)
            except (ApiError, *UNREACHABLE) as error:
                raise CannotStart("CreateContainerConfigError", f"{kind} {name!r}: {error}") from error
            if item is None and not optional:
                raise CannotStart("CreateContainerConfigError", f"{kind} {name!r} not found in namespace {namespace}")
            found[kind, name] = item
        return found

    async def _get(self, path: str, max_age: float) -> Json | None:
        when, item = self._kept.get(path, (float("-inf"), None))
        if time.monotonic() - when > max_age:
            try:
                item = await self._api.call("GET", path)
            except ApiError as error:
                if error.status != 404:
                    raise
                item = None
            self._kept[path] = (time.monotonic(), item)
        return item
