"""Credentials of the stand-ins' servers: a renewed Secret is followed, and nothing is replaced without need."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from lab.standins import tls
from lab.standins.pki import Identity


def test_a_configuration_is_made_anew_only_for_another_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(tls.grpc, "ssl_server_certificate_configuration", lambda pairs, root: (pairs, root))
    monkeypatch.setattr(
        tls.grpc, "dynamic_ssl_server_credentials", lambda first, fetch, **_more: made.extend([first, fetch])
    )
    identity = Identity(b"root", b"chain", b"key")
    tls.dynamic_credentials(lambda: identity)
    first, fetch = made
    assert first == ([(b"key", b"chain")], b"root")
    assert fetch() is None
    identity = dataclasses.replace(identity, chain=b"renewed")
    assert fetch() == ([(b"key", b"renewed")], b"root")
    assert fetch() is None
