# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a host can still be reached, in the task that changes it."""

from __future__ import annotations

import typing as t

import pytest
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible_collections.mesh.expansion.plugins.action.istio_sidecar_apply import ActionModule
from ansible_collections.mesh.expansion.plugins.module_utils._host import guard


class Connection:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def reset(self) -> None:
        self.seen.append("reset")


class Local(Connection):
    reset = ConnectionBase.reset


def run(
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, t.Any],
    connection: type[Connection] = Connection,
    **proof: t.Any,
) -> tuple[dict[str, t.Any], list[str]]:
    seen: list[str] = []

    def execute(_self: t.Any, **_more: t.Any) -> dict[str, t.Any]:
        seen.append("module")
        return answer

    def prove(_self: t.Any, command: str, sudoable: bool) -> dict[str, t.Any]:
        assert sudoable
        seen.append(command)
        return {"rc": 0, "stdout": "", "stderr": "", **proof}

    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    monkeypatch.setattr(ActionModule, "_low_level_execute_command", prove)
    action = ActionModule.__new__(ActionModule)
    action._connection = connection(seen)  # type: ignore[assignment]
    return action.run(None, {}), seen


DONE = {"changed": True, "guarded": True}


def test_a_change_is_proven_over_a_fresh_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    result, seen = run(monkeypatch, DONE)
    assert seen == ["module", "reset", guard.confirming("istio_sidecar")]
    assert result == DONE


@pytest.mark.parametrize("kept", [True, False])
def test_what_leads_back_from_a_move_is_kept(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    _result, seen = run(monkeypatch, {**DONE, "kept": kept})
    assert seen[-1] == guard.confirming("istio_sidecar", kept)


def test_a_local_connection_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    _result, seen = run(monkeypatch, DONE, Local)
    assert seen == ["module", guard.confirming("istio_sidecar")]


@pytest.mark.parametrize("answer", [{"changed": False, "guarded": False}, {"failed": True, "msg": "x"}])
def test_what_is_not_guarded_needs_no_proof(answer: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    result, seen = run(monkeypatch, answer)
    assert seen == ["module"]
    assert result == answer


def test_a_proof_that_comes_too_late_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _seen = run(monkeypatch, DONE, rc=guard.TOO_LATE)
    assert result["failed"] is True
    assert "was not confirmed within 45 s, so this host has put back" in result["msg"]


@pytest.mark.parametrize("where", ["stdout", "stderr"])
def test_a_proof_that_cannot_be_made_says_why(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result, _seen = run(monkeypatch, DONE, rc=1, **{where: "sudo: a password is required\n"})
    assert result["failed"] is True
    assert result["msg"] == "Cannot confirm the change of istio_sidecar: sudo: a password is required"
