# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module gets its table as one text, and whoever called it sees nothing of that."""

from __future__ import annotations

import types
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.action.ipvs_table import ActionModule
from ansible_collections.mesh.expansion.plugins.module_utils import _packed

SERVICES = [{"tcp_service": "192.0.2.62:53", "real_servers": [{"real_server": "192.0.2.71"}]}]
SAID = {"changed": True, "operations": ["-A -t 192.0.2.62:53 -s wlc"], "services": SERVICES, "drained": []}


def run(monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], **task: Any) -> tuple[list[Any], dict[str, Any]]:
    given: list[Any] = []

    def execute(_self: Any, module_args: dict[str, Any] | None = None, **_more: Any) -> dict[str, Any]:
        given.append(module_args)
        module = types.SimpleNamespace(params={}, exit_json=lambda **result: said.update(result))
        said: dict[str, Any] = {}
        _packed.Unpacked(module, "services", []).exit_json(**SAID)
        return said if module_args else SAID

    monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
    monkeypatch.setattr(ActionModule, "_execute_module", execute)
    action = ActionModule.__new__(ActionModule)
    action._task = types.SimpleNamespace(**{"args": arguments, "check_mode": False, "async_val": 0, **task})
    return given, action.run(None, {})


def test_a_table_goes_there_and_back_as_one_text(monkeypatch: pytest.MonkeyPatch) -> None:
    given, result = run(monkeypatch, {"services": SERVICES, "purge": "all"})
    assert given[0]["purge"] == "all"
    assert given[0]["services"] != SERVICES
    assert _packed.unpack(given[0]["services"]) == SERVICES
    assert result == SAID


@pytest.mark.parametrize("arguments", [{"purge": "all"}, {"services": "192.0.2.62:53"}])
def test_what_is_no_table_goes_as_it_is(arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    given, _result = run(monkeypatch, arguments)
    assert given == [arguments]


def test_in_the_background_nothing_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for the result later does not come by here."""
    given, result = run(monkeypatch, {"services": SERVICES}, async_val=60)
    assert given == [None]
    assert result == SAID
