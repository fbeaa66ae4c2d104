# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look brings everything that the checks of a VM judge, also on a host that has nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import look, vm
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import admin

from .conftest import ADDRESS


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, healthy: look.Seen) -> dict[str, list[str]]:
    """Programs of a host on which nothing is installed; gives how each of them was called."""
    called: dict[str, list[str]] = {}

    def run(argv: Any, stdin: str | None = None, seconds: float = 60) -> commands.Result:
        called[argv[0]] = [*argv[1:], *(stdin or "").splitlines()]
        return commands.Result(127, "", f"{argv[0]} is not installed")

    def broken(*_args: object) -> dict[str, Any]:
        raise admin.AdminError("nobody listens")

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(look.dns, "look", lambda _settings: healthy.resolver)
    monkeypatch.setattr(look, "look_up", lambda names, text: {name: {"addresses": [], "said": text} for name in names})
    monkeypatch.setattr(look.sidecar, "look", lambda _settings: look.sidecar.Seen(address=ADDRESS))
    monkeypatch.setattr(look.layout, "USER", "nobody-of-this-name")
    monkeypatch.setattr(admin, "read_report", broken)
    return called


def test_a_host_without_a_sidecar_fails_check_by_check(programs: dict[str, list[str]], wanted: look.Wanted) -> None:
    seen = look.look(wanted, 0)
    found = vm.judge(wanted, seen)
    assert [name for name, item in found.items() if not item.problems] == ["names_file", "resolver"]
    assert list(found["pushed"].problems) == ["nobody listens"]
    assert list(seen.lookups) == wanted.names()
    assert "nameserver 192.0.2.53" in seen.lookups["istio-pilot"]["said"]
    assert set(programs) == {"iptables-save", "ps", "journalctl"}


def test_names_are_short_ones_with_namespace_and_full_ones(wanted: look.Wanted) -> None:
    names = wanted.names()
    assert len(names) == 18
    assert {"istio-pilot", "istio-ca.istio-system", "istio-pilot.istio-system.svc.cluster.local"} <= set(names)


def test_envoy_is_waited_for_while_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    told = [[], ["a"], ["a", "b"], ["a", "b", "c"]]
    asked: list[object] = []

    def report(*_args: object) -> dict[str, Any]:
        asked.append(1)
        return {"listeners": [{"name": name} for name in told[len(asked) - 1]]}

    monkeypatch.setattr(admin, "read_report", report)
    monkeypatch.setattr(look.time, "sleep", lambda _seconds: None)
    assert len(look._envoy(["a", "b"], 60)["listeners"]) == 2
    assert len(asked) == 3
    asked.clear()
    assert look._envoy(["z"], 0)["listeners"] == []
    assert len(asked) == 1
