# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import token

from tests.unit.plugins import istiod_objects, mesh_pki

NOW = mesh_pki.NOW.timestamp()


def test_claims_say_for_whom_and_until_when() -> None:
    found = token.claims(istiod_objects.token() + "\n")
    assert found == {
        "aud": ["istio-ca"],
        "exp": int(NOW + 3600),
        "sub": "system:serviceaccount:default:default",
        "uid": istiod_objects.UID,
    }


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "a.e30.c", "a.W10.c", "a.bnVsbA.c"])
def test_what_is_no_token(text: str) -> None:
    assert token.claims(text) is None
    assert not token.still_good(token.claims(text), "default", "default", NOW, 0)


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"aud": "istio-ca"}, True),
        ({"aud": ["other"]}, False),
        ({"sub": "system:serviceaccount:shop:default"}, False),
        ({"exp": NOW + 1800}, False),
        ({"exp": NOW - 1}, False),
    ],
)
def test_whether_a_token_will_do(changes: dict[str, object], good: bool) -> None:
    found = {**(token.claims(istiod_objects.token()) or {}), **changes}
    assert token.still_good(found, "default", "default", NOW, 1800) is good
