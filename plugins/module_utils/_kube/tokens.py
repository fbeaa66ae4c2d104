# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens of service accounts. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from .answers import Object
from .client import KubeClient
from .errors import KubeForbidden, KubeInvalid, KubeNotFound, KubeServerError, KubeUnauthorized
from .resources import SERVICE_ACCOUNT_TOKENS


@dataclasses.dataclass(frozen=True)
class Token:
    """A token, which nothing prints, and when it ends, as the API server says."""

    value: str = dataclasses.field(repr=False)
    expires: str


def request_token(client: KubeClient, namespace: str, account: str, audience: str, seconds: int) -> Token:
    """A token of a service account for one audience; the API server may give it another lifetime."""
    body: Object = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"name": account},
        "spec": {"audiences": [audience], "expirationSeconds": seconds},
    }
    try:
        answer = client.create(SERVICE_ACCOUNT_TOKENS, namespace, body)
    except KubeNotFound as exc:
        raise KubeInvalid(f"{exc} Create the service account first, or name another one.") from exc
    except KubeUnauthorized:
        raise
    except KubeForbidden as exc:
        raise KubeForbidden(f"{exc} Without a token no new VM can ask for a certificate.") from exc
    status: t.Mapping[str, t.Any] = answer.get("status") or {}
    if not status.get("token"):
        raise KubeServerError(f"The API server's answer to the request for a token of {namespace}/{account} has none.")
    return Token(str(status["token"]), str(status.get("expirationTimestamp", "")))
