# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is taken out of a service when nodes do not answer, and how keepalived is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import options, watch

A, B, C = "192.168.0.71", "192.168.0.72", "192.168.0.73"
TCP = watch.Service("tcp-192.168.0.62-53-", (A, B, C))


@pytest.mark.parametrize(
    ("bad", "out", "quorum", "result"),
    [
        ([], [], 1, []),
        ([C], [], 1, [C]),
        ([B, C], [C], 1, [B, C]),
        # All at once: the question is at fault, or nothing would be gained.
        ([A, B, C], [], 1, []),
        ([A, B, C], [], 0, [A, B, C]),
        # The last one stays, the others are out already.
        ([A, B, C], [B, C], 1, [B, C]),
        # One of those that are out answers again, and there are enough now.
        ([A, C], [B, C], 1, [A, C]),
        ([B, C], [C], 2, [C]),
        ([C], [B, C], 2, [C]),
        ([], [A, B], 1, []),
        # Of another service.
        (["192.168.0.79"], [], 1, []),
    ],
)
def test_judgement(bad: list[str], out: list[str], quorum: int, result: list[str]) -> None:
    assert watch.judge(TCP, watch.Answers(bad, bad), out, quorum) == result


def test_whoever_begins_to_be_silent_is_nobody_to_rely_on() -> None:
    assert watch.judge(TCP, watch.Answers([B, C], [A, B, C]), [], 1) == []


def test_services_of_a_table() -> None:
    servers = [{"real_server": f"{A}:53"}, {"real_server": f"{B}:53", "weight": 0}, {"real_server": f"{C}:53"}]
    listed = options.parse_services(
        [
            {"udp_service": "192.168.0.62:53", "real_servers": servers},
            {"fwmark_service": 7, "real_servers": [{"real_server": f"{A}:1"}]},
            {"tcp_service": "[2001:db8::1]:53", "real_servers": [{"real_server": "[2001:db8::2]:53"}]},
        ]
    )
    assert watch.services(listed) == [
        watch.Service("udp-192.168.0.62-53-", [A, C]),
        watch.Service("tcp-2001:db8::1-53-", ["2001:db8::2"]),
    ]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nodes that give no answer; no pause before they are asked again."""
    monkeypatch.setattr(watch, "PAUSE", 0)
    return []


def look(tmp_path: Path, silent: Sequence[str], quorum: int = 1) -> tuple[dict[str, str], list[str]]:
    def ask(addresses: Sequence[str]) -> list[str]:
        return [address for address in addresses if address in silent]

    said = watch.look_round([TCP], str(tmp_path), ask, quorum)
    return {path.name.removeprefix(TCP.name): path.read_text() for path in tmp_path.iterdir()}, said


def test_rounds(tmp_path: Path, silent: list[str]) -> None:
    everybody = dict.fromkeys(TCP.servers, watch.IN)
    assert look(tmp_path, silent) == (everybody, [])
    assert look(tmp_path, [C]) == ({**everybody, C: watch.OUT}, [f"{TCP.name}{C} is out: no answer"])
    files, said = look(tmp_path, [A, B, C])
    assert files == {**everybody, C: watch.OUT}
    assert f"{TCP.name}{A} stays: no answer, but fewer than 1 do" in said
    assert look(tmp_path, []) == (everybody, [f"{TCP.name}{C} is back"])


def test_one_answer_that_was_lost_is_no_failure(tmp_path: Path, silent: list[str]) -> None:
    answers = [[C], silent]
    assert watch.look_round([TCP], str(tmp_path), lambda _addresses: answers.pop(0), 1) == []
    assert answers == []


def test_nodes_are_asked_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answers(address: str, port: int, path: str) -> bool:
        asked.append((address, port, path))
        return address != C

    monkeypatch.setattr(watch, "_answers", answers)
    assert watch.failing([A, B, C], 10256, "/healthz") == [C]
    assert sorted(asked) == [(address, 10256, "/healthz") for address in (A, B, C)]
    assert watch.failing([], 10256, "/healthz") == []
