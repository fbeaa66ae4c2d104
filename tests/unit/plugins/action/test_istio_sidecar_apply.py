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


class Connection:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def reset(self) -> None:
        self.seen.append("reset")


class Local(Connection):
    reset = ConnectionBase.reset


def run(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, dict[str, t.Any]],
    connection: type[Connection] = Connection,
) -> tuple[dict[str, t.Any], list[str]]:
    seen: list[str] = []

    def execute(_self: t.Any, module_name: str = "istio_sidecar_apply", **_more: t.Any) -> dict[str, t.Any]:
        name = module_name.rsplit(".", 1)[-1]
        seen.append(name)
        return answers[name]

    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    action = ActionModule.__new__(ActionModule)
    action._connection = connection(seen)  # type: ignore[assignment]
    return action.run(None, {}), seen


DONE = {"changed": True, "guarded": True}


def test_a_change_is_proven_over_a_fresh_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    result, seen = run(monkeypatch, {"istio_sidecar_apply": DONE, "guard_confirm": {"changed": False}})
    assert seen == ["istio_sidecar_apply", "reset", "guard_confirm"]
    assert result == DONE


@pytest.mark.parametrize("kept", [True, False])
def test_what_leads_back_from_a_move_is_kept(kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[t.Any] = []

    def execute(_self: t.Any, module_name: str = "", module_args: t.Any = None, **_more: t.Any) -> dict[str, t.Any]:
        given.append(module_args)
        return {} if module_name else {**DONE, "kept": kept}

    monkeypatch.setattr(ActionBase, "run", lambda *_args: {})
    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    action = ActionModule.__new__(ActionModule)
    action._connection = Local([])  # type: ignore[assignment]
    action.run(None, {})
    assert given == [None, {"role": "istio_sidecar", "keep": kept}]


def test_a_local_connection_is_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    _result, seen = run(monkeypatch, {"istio_sidecar_apply": DONE, "guard_confirm": {}}, Local)
    assert seen == ["istio_sidecar_apply", "guard_confirm"]


@pytest.mark.parametrize("answer", [{"changed": False, "guarded": False}, {"failed": True, "msg": "x"}])
def test_what_is_not_guarded_needs_no_proof(answer: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    result, seen = run(monkeypatch, {"istio_sidecar_apply": answer})
    assert seen == ["istio_sidecar_apply"]
    assert result == answer


def test_a_proof_that_comes_too_late_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"failed": True, "msg": "was not confirmed within 45 s"}
    result, _seen = run(monkeypatch, {"istio_sidecar_apply": DONE, "guard_confirm": late})
    assert result["failed"] is True
    assert result["msg"] == late["msg"]
