# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look brings everything that the rows of a VM judge, also on a host that has nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, systemd
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import look, rows
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import admin

WANTED = {
    "address": "192.168.0.81",
    "hostname": "web",
    "kubedns": ["server=/svc.cluster.local/192.168.0.62"],
    "cluster_env": {"ISTIO_CP_AUTH": "MUTUAL_TLS"},
    "names": {"istio-pilot": "192.168.0.62"},
    "owners": {"/etc/certs": "istio-proxy"},
    "service_cidr": "10.233.0.0/16",
    "inbound_ports": "9080",
    "services": [{"name": "web", "port": 9080, "namespace": "default"}],
    "cluster_domain": "cluster.local",
}


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Programs of a host on which nothing is installed; gives how each of them was called."""
    called: dict[str, list[str]] = {}

    def run(argv: Any, stdin: str | None = None, seconds: float = 60) -> commands.Result:
        called[argv[0]] = [*argv[1:], *(stdin or "").splitlines()]
        return commands.Result(127, "", f"{argv[0]} is not installed")

    def broken(*_args: object) -> dict[str, Any]:
        raise admin.AdminError("nobody listens")

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(systemd, "look", lambda names: {name: systemd.UnitState() for name in names})
    monkeypatch.setattr(look, "TEXTS", {name: f"/nonexistent/{name}" for name in look.TEXTS})
    monkeypatch.setattr(look, "OWNED", ("/nonexistent/certs",))
    monkeypatch.setattr(look.layout, "CERTS", "/nonexistent/certs")
    monkeypatch.setattr(look.layout, "USER", "nobody-of-this-name")
    monkeypatch.setattr(admin, "read_report", broken)
    return called


def test_a_bare_host_fails_row_by_row(programs: dict[str, list[str]]) -> None:
    seen = look.look(["istio-pilot"], ["192.168.0.81_9080"], 0)
    judged = rows.vm_rows(WANTED, {**seen, "certs": {"msg": "no identity"}}, "web")
    assert [row.row for row in judged] == [*rows.VM_CHECKS, "R16", "R17"]
    assert [row.row for row in judged if row.ok] == []
    said = {row.row: row.detail for row in judged}
    assert "nothing (xargs is not installed)" in said["R10"]
    assert said["R16"] == "nobody listens"
    assert programs["xargs"][-1] == "istio-pilot"
    assert set(programs) == {"xargs", "dpkg-query", "iptables-save", "ps", "journalctl"}


def test_no_key_comes_along(programs: dict[str, list[str]]) -> None:
    seen = look.look([], [], 0)
    assert "xargs" not in programs
    assert set(seen["identity"]) == {"directory", "files", "chain", "root", "key_matches", "python"}


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
