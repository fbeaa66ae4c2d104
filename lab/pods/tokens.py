# Part of the lab's stand-in for the kubelet: tokens of service accounts.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TokenRequest, and when a token is to be renewed."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any, NamedTuple

from lab.pods.api import UNREACHABLE, Api, ApiError
from lab.pods.errors import CannotStart

log = logging.getLogger("tokens")
Json = dict[str, Any]
DEFAULT_SECONDS = 3600
RENEW_AT = 0.8
LONGEST_AGE = dt.timedelta(hours=24)


class Wanted(NamedTuple):
    audience: str
    seconds: int


class Held(NamedTuple):
    token: str
    since: dt.datetime
    until: dt.datetime


def wanted(source: Json) -> Wanted:
    """What a projected volume's serviceAccountToken asks for."""
    return Wanted(source.get("audience", ""), source.get("expirationSeconds", DEFAULT_SECONDS))


def request(pod: Json, want: Wanted) -> Json:
    """The token dies with the Pod that it is bound to."""
    meta = pod["metadata"]
    bound = {"kind": "Pod", "apiVersion": "v1", "name": meta["name"], "uid": meta["uid"]}
    spec: Json = {"expirationSeconds": want.seconds, "boundObjectRef": bound}
    if want.audience:
        spec["audiences"] = [want.audience]
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def due(held: Held, now: dt.datetime) -> bool:
    """As a kubelet: at 80 % of its life, and at the latest after a day."""
    return now >= held.since + min((held.until - held.since) * RENEW_AT, LONGEST_AGE)


class Tokens:
    """Those of one Pod."""

    def __init__(self, api: Api, pod: Json) -> None:
        self._api = api
        self._pod = pod
        self._held: dict[Wanted, Held] = {}

    async def get(self, want: Wanted) -> str:
        """One that is good for a while; the old one as long as it lasts when there is no new one to be had."""
        now = dt.datetime.now(dt.UTC)
        held = self._held.get(want)
        if held is None or due(held, now):
            try:
                held = self._held[want] = await self._ask(want, now)
            except (ApiError, *UNREACHABLE) as error:
                account = self._pod["spec"].get("serviceAccountName", "default")
                if held is None or now >= held.until:
                    message = f"token of service account {account!r}: {error!r}"
                    raise CannotStart("CreateContainerConfigError", message) from error
                log.warning("token of %s not renewed, trying again: %r", account, error)
        return held.token

    async def _ask(self, want: Wanted, now: dt.datetime) -> Held:
        namespace = self._pod["metadata"]["namespace"]
        account = self._pod["spec"].get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answer = (await self._api.call("POST", path, request(self._pod, want)))["status"]
        return Held(answer["token"], now, dt.datetime.fromisoformat(answer["expirationTimestamp"]))
