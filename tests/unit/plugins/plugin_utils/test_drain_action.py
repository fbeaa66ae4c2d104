# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How draining is watched from the control node."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.plugin_utils import _drain_action
from ansible_collections.mesh.expansion.plugins.plugin_utils._drain_action import DrainAction, drains, merge

DRAINED = {"real_server": "192.168.0.72:53", "state": "drained"}
STEP = "-e -t 192.168.0.62:53 -r 192.168.0.72:53 -g -w 0"
REMOVAL = "-d -t 192.168.0.62:53 -r 192.168.0.72:53"


def counts(active: int) -> dict[str, Any]:
    return {
        "service": "-t 192.168.0.62:53",
        "real_server": "192.168.0.72:53",
        "active_connections": active,
        "inactive_connections": 0,
        "persistent_connections": 0,
        "gone": not active,
    }


class Run:
    """The action plugin with a clock and a module that drains one connection with every run."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], connections: list[int], **task: Any
    ) -> None:
        self.calls: list[dict[str, Any]] = []
        self.shown: list[str] = []
        self.time = 0.0
        self._connections = connections
        self.fail_at: int | None = None
        self.action = DrainAction.__new__(DrainAction)
        self.action._task = types.SimpleNamespace(**{"args": arguments, "check_mode": False, "async_val": 0, **task})
        self.action._display = types.SimpleNamespace(display=self.shown.append)
        monkeypatch.setattr(_drain_action.ActionBase, "run", lambda *_arguments: {})
        monkeypatch.setattr(self.action, "_execute_module", self._module, raising=False)
        monkeypatch.setattr(_drain_action.time, "monotonic", lambda: self.time)

    def _module(
        self, module_args: dict[str, Any] | None = None, task_vars: Any = None, wrap_async: Any = None
    ) -> dict[str, Any]:
        arguments = self.action._task.args if module_args is None else module_args
        self.calls.append(dict(arguments))
        if self.fail_at == len(self.calls):
            return {"failed": True, "changed": False, "operations": [], "msg": "no"}
        if arguments.get("drain_remove"):
            return {
                "changed": True,
                "operations": [REMOVAL],
                "diff": {"before": "b", "after": "c"},
                "drained": [counts(0)],
            }
        first = len(self.calls) == 1
        active = self._connections.pop(0)
        self.time += arguments.get("drain_timeout", 300) if active else 1
        return {
            "changed": first,
            "operations": [STEP] if first else [],
            "diff": {"before": "a" if first else "", "after": "b" if first else ""},
            "drained": [counts(active)],
        }

    def __call__(self) -> dict[str, Any]:
        return self.action.run(task_vars={"inventory_hostname": "director"})


def test_what_drains() -> None:
    assert drains({"real_servers": [DRAINED]})
    assert drains({"services": [{"real_servers": [{"real_server": "x"}]}, {"real_servers": [DRAINED]}]})
    for other in (
        {},
        {"services": "x"},
        {"services": [None, {"real_servers": None}]},
        {"real_servers": ["x", {"state": "present"}]},
    ):
        assert not drains(other)


def test_progress_is_shown_until_connections_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"real_servers": [DRAINED], "drain_timeout": 300, "drain_remove": True}, [2, 1, 0])
    result = run()
    assert run.shown == [
        (
            "director: draining 192.168.0.72:53 of -t 192.168.0.62:53 for 10 s: "
            "2 active, 0 inactive, 0 persistent connections"
        ),
        (
            "director: draining 192.168.0.72:53 of -t 192.168.0.62:53 for 20 s: "
            "1 active, 0 inactive, 0 persistent connections"
        ),
    ]
    assert [(call["drain_timeout"], call["drain_remove"]) for call in run.calls] == [
        (10, False),
        (10, False),
        (10, False),
        (0, True),
    ]
    assert (result["changed"], result["operations"]) == (True, [STEP, REMOVAL])
    assert result["diff"] == [{"before": "a", "after": "b"}, {"before": "b", "after": "c"}]


def test_the_time_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"services": [{"real_servers": [DRAINED]}], "drain_timeout": "25"}, [5] * 9)
    result = run()
    assert [call["drain_timeout"] for call in run.calls] == [10, 10, 5]
    assert (result["changed"], result["operations"], result["drained"]) == (True, [STEP], [counts(5)])
    assert result["diff"] == {"before": "a", "after": "b"}


def test_a_failure_ends_the_wait_and_keeps_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, {"real_servers": [DRAINED], "drain_remove": True}, [5] * 9)
    run.fail_at = 2
    result = run()
    assert (result["failed"], result["changed"], result["operations"], result["msg"]) == (True, True, [STEP], "no")
    assert len(run.calls) == 2


@pytest.mark.parametrize(
    ("arguments", "task"),
    [
        ({"real_servers": [{"real_server": "x"}]}, {}),
        ({"real_servers": [DRAINED], "drain_timeout": 10}, {}),
        ({"real_servers": [DRAINED], "drain_timeout": "soon"}, {}),
        ({"real_servers": [DRAINED], "drain_remove": "maybe"}, {}),
        ({"real_servers": [DRAINED]}, {"check_mode": True}),
        ({"real_servers": [DRAINED]}, {"async_val": 60}),
    ],
)
def test_otherwise_the_module_runs_once_as_it_is(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], task: dict[str, Any]
) -> None:
    run = Run(monkeypatch, arguments, [5], **task)
    monkeypatch.setattr(run.action, "_execute_module", lambda **values: {"values": values}, raising=False)
    more = {"wrap_async": task["async_val"]} if "async_val" in task else {"module_args": arguments}
    assert run() == {"values": {"task_vars": {"inventory_hostname": "director"}, **more}}


def test_merging_with_nothing() -> None:
    assert merge(None, {"changed": True}) == {"changed": True}
