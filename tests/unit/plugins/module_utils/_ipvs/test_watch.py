# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is taken out of a service when nodes do not answer, and how keepalived is told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import ask, options, watch

A, B, C = "192.168.0.71", "192.168.0.72", "192.168.0.73"
NODE = ask.Asking(10256, "/healthz")
HTTP = {address: ask.Question(ask.HTTP, address, 10256, "/healthz") for address in (A, B, C)}
TCP = watch.Service("tcp-192.168.0.62-53-", HTTP)


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
    asked = [HTTP.get(address, ask.Question(ask.HTTP, address, 10256, "/healthz")) for address in bad]
    assert watch.judge(TCP, watch.Answers(asked, asked), out, quorum) == result


def test_whoever_begins_to_be_silent_is_nobody_to_rely_on() -> None:
    assert watch.judge(TCP, watch.Answers([HTTP[B], HTTP[C]], HTTP.values()), [], 1) == []


def test_services_of_a_table() -> None:
    servers = [{"real_server": f"{A}:53"}, {"real_server": f"{B}:53", "weight": 0}, {"real_server": f"{C}:53"}]
    listed = options.parse_services(
        [
            {"udp_service": "192.168.0.62:53", "real_servers": servers},
            {"fwmark_service": 7, "real_servers": [{"real_server": f"{A}:1"}]},
            {"tcp_service": "[2001:db8::1]:53", "real_servers": [{"real_server": "[2001:db8::2]:53"}]},
        ]
    )
    six = ask.Question(ask.HTTP, "2001:db8::2", 10256, "/healthz")
    assert watch.services(listed, NODE) == [
        watch.Service("udp-192.168.0.62-53-", {A: HTTP[A], C: HTTP[C]}),
        watch.Service("tcp-2001:db8::1-53-", {"2001:db8::2": six}),
    ]
    # Also the one that is out: whoever is drained keeps its way.
    assert watch.nodes(listed) == [A, B, C, "2001:db8::2"]


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nodes that give no answer; no pause before they are asked again."""
    monkeypatch.setattr(watch, "PAUSE", 0)
    return []


def look(tmp_path: Path, silent: Sequence[str], quorum: int = 1) -> tuple[dict[str, str], list[str]]:
    def unanswered(questions: Sequence[ask.Question]) -> list[ask.Question]:
        return [question for question in questions if question.address in silent]

    said = watch.look_round([TCP], str(tmp_path), unanswered, quorum)
    return {path.name.removeprefix(TCP.name): path.read_text() for path in tmp_path.iterdir()}, said


def test_rounds(tmp_path: Path, silent: list[str]) -> None:
    everybody = dict.fromkeys(HTTP, watch.IN)
    assert look(tmp_path, silent) == (everybody, [])
    assert look(tmp_path, [C]) == ({**everybody, C: watch.OUT}, [f"{TCP.name}{C} is out: no answer"])
    files, said = look(tmp_path, [A, B, C])
    assert files == {**everybody, C: watch.OUT}
    assert f"{TCP.name}{A} stays: no answer, but fewer than 1 do" in said
    assert look(tmp_path, []) == (everybody, [f"{TCP.name}{C} is back"])


@pytest.mark.usefixtures("silent")
def test_one_answer_that_was_lost_is_no_failure(tmp_path: Path) -> None:
    answers: list[list[ask.Question]] = [[HTTP[C]], []]
    assert watch.look_round([TCP], str(tmp_path), lambda _addresses: answers.pop(0), 1) == []
    assert answers == []


def test_nodes_are_asked_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answers(question: ask.Question, asking: ask.Asking) -> bool:
        asked.append((question, asking))
        return question.address != C

    monkeypatch.setattr(ask, "answers", answers)
    assert watch.failing(list(HTTP.values()), NODE) == [HTTP[C]]
    assert sorted(asked) == [(question, NODE) for question in HTTP.values()]
    assert watch.failing([], NODE) == []


THROUGH = ask.Asking(
    10256, "/healthz", source="192.168.0.65", through=[A, B], tls={15012: "istiod.istio-system.svc"}, dns_name="name"
)
UNASKED = watch.Service("tcp-192.168.0.62-53-", {A: HTTP[A], B: HTTP[B], C: None})


def test_one_that_cannot_be_asked_yet_stays_and_counts(tmp_path: Path) -> None:
    assert watch.judge(UNASKED, watch.Answers([HTTP[A], HTTP[B]], [HTTP[A], HTTP[B]]), [], 1) == [A, B]
    assert watch.look_round([UNASKED], str(tmp_path), lambda _questions: [], 1) == []
    assert (tmp_path / f"{UNASKED.name}{C}").read_text() == watch.IN


def test_a_service_may_fail_through_a_node_that_answers_for_others(tmp_path: Path, silent: list[str]) -> None:
    del silent
    listed = options.parse_services(
        [
            {
                "tcp_service": f"192.168.0.62:{port}",
                "real_servers": [{"real_server": f"{one}:{port}"} for one in (A, B)],
            }
            for port in (80, 81)
        ]
    )
    table = watch.services(listed, THROUGH)
    bad = ask.Question(ask.TCP, "192.168.0.62", 81, "", 1)
    said = watch.look_round(table, str(tmp_path), lambda questions: [one for one in questions if one == bad], 1)
    assert said == [f"tcp-192.168.0.62-81-{B} is out: no answer"]


@pytest.mark.parametrize("asking", [NODE, THROUGH, THROUGH._replace(tls={}), THROUGH._replace(roots="/x.pem")])
def test_the_command_line_says_how_nodes_are_asked(asking: ask.Asking) -> None:
    line = ["--table", "t", "--files", "f", *watch.words(asking), "--quorum", "1"]
    assert watch.asking_of(watch.parser().parse_args(line)) == (asking if asking.tls else asking._replace(roots=""))
