# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token with which a VM asks for its first certificate. Private to the collection."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t

AUDIENCE = "istio-ca"
# Whether a token is asked for: no, the one that is there will do if its account is still the same, yes.
NONE, PRESENT, REQUEST = "none", "present", "request"
# What of a token's content is shown: nothing by which somebody could be it.
_SHOWN = ("aud", "exp", "sub")

Claims = dict[str, t.Any]


def claims(token: str) -> Claims | None:
    """For whom and until when a token is; None when it cannot be read."""
    parts = token.strip().split(".")
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        found = {name: payload[name] for name in _SHOWN}
        account = payload["kubernetes.io"]["serviceaccount"]
        return {**found, "exp": int(found["exp"]), "uid": str(account["uid"])}
    except (IndexError, ValueError, KeyError, TypeError, binascii.Error):
        return None


def subject(namespace: str, account: str) -> str:
    return f"system:serviceaccount:{namespace}:{account}"


def still_good(found: Claims | None, namespace: str, account: str, now: float, spare: int) -> bool:
    """Whether a token that is there will do; whether its account is the one of today is for the API to say."""
    if not found:
        return False
    audiences = found["aud"] if isinstance(found["aud"], list) else [found["aud"]]
    return found["sub"] == subject(namespace, account) and AUDIENCE in audiences and found["exp"] - now > spare
