# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles see of a host. A VM is verified at once where they have nothing to do, and only what holds is told."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import of_vm
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import work as of_director
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import roles
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server import work as of_node

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
    assert roles.verified(TOLD, SETTLED) is found
    (told,) = calls
    assert told["timeout"] == 0
    assert told["resolver"] == TOLD["resolver"]
    assert told["sidecar"] == {"vip": "192.0.2.62"}, "what only its package needs is not the checks'"


def test_without_dnsmasq_no_resolver_is_told(checked: tuple[list[Json], Json]) -> None:
    told = {**TOLD, "verify": {**TOLD["verify"], "dns_mode": "capture"}}
    assert roles.verified(told, SETTLED) is not None
    assert checked[0][0]["resolver"] is None


def test_where_there_is_work_nothing_is_checked(checked: tuple[list[Json], Json]) -> None:
    assert roles.verified(TOLD, {**SETTLED, "sidecar": {**SETTLED["sidecar"], "operations": ["start"]}}) is None
    assert roles.verified(TOLD, {**SETTLED, "sidecar": None}) is None
    assert checked[0] == []


def test_what_does_not_hold_is_looked_at_again(checked: tuple[list[Json], Json]) -> None:
    checked[1]["checks"]["pushed"] = {**HOLDS, "problems": ["Envoy has no listener yet"]}
    assert roles.verified(TOLD, SETTLED) is None


def test_a_director_is_looked_at_as_its_module_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_director, "look_at", lambda params: {"told": params})
    found = roles.director({"vip": "192.0.2.62", "router_id": "7", "ha": "keepalived"}) or {}
    assert (found["told"]["router_id"], found["told"]["advert_interval"]) == (7, 0.3)
    assert roles.director({"vip": "192.0.2.62", "interface": "eth 0"}) is None, "the module says what is wrong"
    with pytest.raises(MeshError, match="director: missing required arguments: vip"):
        roles.director({})


def test_a_node_is_looked_at_as_its_module_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_node, "look_at", lambda params: {"told": params})
    found = roles.real_server({"vip": "192.0.2.62", "manage_arp": "yes"})
    assert (found["told"]["manage_arp"], found["told"]["proxy_mode"]) == (True, "auto")
