# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests for tokens: what is asked, and what a refusal says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._kube import errors
from ansible_collections.mesh.expansion.plugins.module_utils._kube.tokens import Token, request_token


class Client:
    """Answers one creation."""

    def __init__(self, answer: t.Any) -> None:
        self.answer, self.asked = answer, ()

    def create(self, *asked: t.Any) -> t.Any:
        self.asked = asked
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def request(answer: t.Any) -> tuple[t.Any, Client]:
    client = Client(answer)
    return request_token(client, "shop", "web", "istio-ca", 900), client  # type: ignore[arg-type]


def test_a_token_is_asked_for_one_audience_and_never_shown() -> None:
    found, client = request({"status": {"token": "t0ken", "expirationTimestamp": "2027-01-01T00:00:00Z"}})
    assert found == Token("t0ken", "2027-01-01T00:00:00Z")
    assert "t0ken" not in repr(found)
    assert client.asked[1] == "shop"
    assert client.asked[2]["spec"] == {"audiences": ["istio-ca"], "expirationSeconds": 900}


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (errors.KubeNotFound("gone."), errors.KubeInvalid, "gone. Create the service account first"),
        (errors.KubeForbidden("no."), errors.KubeForbidden, "no. Without a token no new VM"),
        (errors.KubeUnauthorized("who?"), errors.KubeUnauthorized, r"who\?$"),
        ({"status": {}}, errors.KubeServerError, "token of shop/web has none"),
    ],
)
def test_refusals_say_what_to_do(answer: t.Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        request(answer)
