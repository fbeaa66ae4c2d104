"""The benchmark `onboarding`: who has joined the mesh of which generation."""

from __future__ import annotations

import pytest

from lab import config
from tests.bench.onboarding_ways import WAYS

VIP = config.topology().vip


@pytest.mark.parametrize(
    ("generation", "answers", "lacks"),
    [
        ("citadel", {"getent": VIP, "server_info": '"state": "LIVE"'}, ""),
        ("citadel", {"getent": "", "server_info": '"state": "LIVE"'}, "istio-pilot is ''"),
        ("citadel", {"getent": VIP, "server_info": "INITIALIZING"}, "Envoy says 'INITIALIZING'"),
        ("istiod", {"getent": f"{VIP}\n", "healthz": "200", "test -s": "there\n"}, ""),
        (
            "istiod",
            {"getent": "10.0.0.1", "healthz": "200", "test -s": "there"},
            "istiod.istio-system.svc is '10.0.0.1'",
        ),
        ("istiod", {"getent": VIP, "healthz": "503", "test -s": "there"}, "the sidecar answers '503'"),
        ("istiod", {"getent": VIP, "healthz": "200", "test -s": ""}, "its certificate is ''"),
    ],
)
def test_who_has_joined(generation: str, answers: dict[str, str], lacks: str) -> None:
    def ask(line: str) -> str:
        (answer,) = [text for words, text in answers.items() if words in line]
        return answer

    said = WAYS[generation].lacks(ask)
    assert lacks in said
    assert bool(lacks) == bool(said)
