# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM is verified at once only where the roles have nothing to do, and only what holds is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import of_vm
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import vm_roles

Json = dict[str, Any]
SETTLED: Json = {
    "resolver": {"operations": [], "missing_packages": [], "joined": True},
    "sidecar": {"operations": [], "joined": True, "former": False, "package": {"fetch": False, "install": False}},
}
TOLD: Json = {
    "resolver": {"vip": "192.0.2.62"},
    "sidecar": {"vip": "192.0.2.62", "package": "https://example.com/x.deb", "offer": {}},
    "verify": {"dns_mode": "dnsmasq", "host": "web1"},
}
HOLDS: Json = {"problems": [], "good": "", "unchecked": ""}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> tuple[list[Json], Json]:
    """With what the checks were called, and what they find."""
    calls: list[Json] = []
    found: Json = {"checks": {"files": HOLDS, "server": {**HOLDS, "unchecked": "no server is named"}}, "lookups": {}}

    def check(params: Json) -> Json:
        calls.append(params)
        return found

    monkeypatch.setattr(of_vm, "check", check)
    return calls, found


def test_nothing_is_waited_for(checked: tuple[list[Json], Json]) -> None:
    calls, found = checked
    assert vm_roles.verified(TOLD, SETTLED) is found
    (told,) = calls
    assert told["timeout"] == 0
    assert told["resolver"] == TOLD["resolver"]
    assert told["sidecar"] == {"vip": "192.0.2.62"}, "what only its package needs is not the checks'"


def test_without_dnsmasq_no_resolver_is_told(checked: tuple[list[Json], Json]) -> None:
    told = {**TOLD, "verify": {**TOLD["verify"], "dns_mode": "capture"}}
    assert vm_roles.verified(told, SETTLED) is not None
    assert checked[0][0]["resolver"] is None


def test_where_there_is_work_nothing_is_checked(checked: tuple[list[Json], Json]) -> None:
    assert vm_roles.verified(TOLD, {**SETTLED, "sidecar": {**SETTLED["sidecar"], "operations": ["start"]}}) is None
    assert vm_roles.verified(TOLD, {**SETTLED, "sidecar": None}) is None
    assert checked[0] == []


def test_what_does_not_hold_is_looked_at_again(checked: tuple[list[Json], Json]) -> None:
    checked[1]["checks"]["pushed"] = {**HOLDS, "problems": ["Envoy has no listener yet"]}
    assert vm_roles.verified(TOLD, SETTLED) is None
