# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout, look, plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.look import Seen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

SETTINGS = Settings(vip="192.0.2.62", service_cidr="10.96.0.0/12", services=[{"name": "web", "port": 9080}])
MADE = layout.AGENT_AND_PROXY
ADDRESS = "192.0.2.81"
WAIT = "wait until Envoy has its configuration"
RESTARTS = [
    "have systemd read its units again",
    "restart istio-auth-node-agent.service",
    "restart istio.service",
    WAIT,
]


def settings_file(text: str) -> PathState:
    return PathState(paths.FILE, layout.USER, layout.USER, "0644", text.encode())


RUNNING = UnitState(loaded=True, active=True, enabled=True, state="active", file_state="enabled", since=1.0)
DONE = Seen(
    version="1.0.5",
    account=True,
    address=ADDRESS,
    paths={
        layout.CLUSTER_ENV: settings_file(SETTINGS.cluster_text()),
        layout.SIDECAR_ENV: settings_file(SETTINGS.sidecar_text("# the package's\n", ADDRESS)),
    },
    units=dict.fromkeys(MADE.units, RUNNING),
    envoy_runs=True,
    envoy=look.LIVE,
)


def steps(seen: Seen, settings: Settings = SETTINGS, restart: bool = False) -> list[str]:
    return [str(operation) for operation in plan.plan(seen, settings, restart)]


def with_path(path: str, state: PathState) -> Seen:
    return dataclasses.replace(DONE, paths={**DONE.paths, path: state})


def test_where_all_is_as_it_should_be_nothing_is_done() -> None:
    assert steps(DONE) == []


def test_a_new_package_gets_everything_in_order() -> None:
    fresh = Seen(
        version="1.0.5",
        account=True,
        address=ADDRESS,
        paths={layout.SIDECAR_ENV: settings_file("# the package's\n")},
        units=dict.fromkeys(MADE.units, UnitState(loaded=True, state="inactive")),
        foreign={"/var/lib/istio": paths.directory(), "/var/lib/istio/proxy": paths.directory()},
        envoy="silent",
    )
    assert steps(fresh) == [
        f"write {layout.CLUSTER_ENV}",
        f"write {layout.SIDECAR_ENV}",
        "give /var/lib/istio and 1 more to istio-proxy",
        "have systemd read its units again",
        "enable istio-auth-node-agent.service",
        "enable istio.service",
        "restart istio-auth-node-agent.service",
        "restart istio.service",
        WAIT,
    ]


def test_other_settings_restart_the_units_the_certificate_agent_first() -> None:
    more = dataclasses.replace(SETTINGS, services=[*SETTINGS.services, {"name": "b", "port": 9443}])
    assert steps(DONE, more) == [f"write {layout.SIDECAR_ENV}", *RESTARTS]
    assert b"ISTIO_INBOUND_PORTS=9080,9443\n" in plan.plan(DONE, more)[0].wanted.content  # type: ignore[attr-defined]


@pytest.mark.parametrize("attribute", [{"owner": "root"}, {"group": "root"}, {"mode": "0600"}, {"content": b"x"}])
def test_a_file_that_differs_in_anything_is_written(attribute: dict[str, t.Any]) -> None:
    seen = with_path(layout.CLUSTER_ENV, dataclasses.replace(DONE.paths[layout.CLUSTER_ENV], **attribute))
    assert steps(seen) == [f"write {layout.CLUSTER_ENV}", *RESTARTS]


def test_a_new_identity_and_settings_after_the_start_restart() -> None:
    assert steps(DONE, restart=True) == RESTARTS
    assert steps(dataclasses.replace(DONE, newer=(layout.PACKAGE_LIST,))) == RESTARTS


def test_a_wrong_owner_alone_restarts_nothing() -> None:
    seen = dataclasses.replace(DONE, foreign={"/var/lib/istio/proxy": paths.directory()})
    assert steps(seen) == ["give /var/lib/istio/proxy to istio-proxy", WAIT]


def test_units_are_enabled_and_started_without_a_restart_of_the_others() -> None:
    stopped = RUNNING._replace(active=False, enabled=False)
    seen = dataclasses.replace(DONE, units={**DONE.units, layout.AGENT_UNIT: stopped})
    assert steps(seen) == ["enable istio-auth-node-agent.service", "start istio-auth-node-agent.service", WAIT]


@pytest.mark.parametrize(
    ("owner", "runs", "goes"),
    [("997", False, True), ("messagebus", False, True), (layout.USER, False, False), ("997", True, False)],
)
def test_memory_of_an_earlier_account_goes_unless_an_envoy_uses_it(owner: str, runs: bool, goes: bool) -> None:
    seen = with_path(layout.SHARED_MEMORY, PathState(paths.FILE, owner, owner, "0600"))
    seen = dataclasses.replace(seen, envoy_runs=runs)
    assert (f"remove {layout.SHARED_MEMORY}" in steps(seen, restart=True)) is goes


def test_an_envoy_without_configuration_is_waited_for_and_that_is_no_change() -> None:
    operations = plan.plan(dataclasses.replace(DONE, envoy="INITIALIZING"), SETTINGS)
    assert [str(operation) for operation in operations] == [WAIT]
    assert not plan.changes(operations)
    assert plan.changes(plan.plan(DONE, SETTINGS, restart=True))


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, says: t.Sequence[str]) -> None:
        self.now, self.says = 0.0, list(says)
        monkeypatch.setattr(plan.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(plan.time, "sleep", self.sleep)
        monkeypatch.setattr(look, "envoy_state", lambda: self.says.pop(0) if len(self.says) > 1 else self.says[0])
        monkeypatch.setattr(plan.systemd, "look", lambda names: dict.fromkeys(names, RUNNING))

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_waiting_ends_with_envoy_and_keeps_the_guard_away(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, ["silent"] * 60 + ["LIVE"])
    pauses = list(plan.Await(60, "istio-system", MADE).run())
    assert clock.now == 30
    # In each of them the guard's timer is put off when it has to be.
    assert len(pauses) == 60


def test_an_envoy_that_never_comes_is_told_with_the_next_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch, ["PRE_INITIALIZING"])
    with pytest.raises(HostError) as caught:
        list(plan.Await(20, "mesh", MADE).run())
    assert str(caught.value) == (
        "the sidecar does not work after 20 s: Envoy is PRE_INITIALIZING; istio-auth-node-agent.service is active, "
        "istio.service is active. Next, on that host: journalctl -u istio -u istio-auth-node-agent -n 50; "
        "tail -n 50 /var/log/istio/istio.log; host istio-pilot.mesh"
    )


def test_an_agent_that_fails_beside_a_live_envoy_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch, ["LIVE"])
    failed = {layout.AGENT_UNIT: UnitState(state="failed"), layout.SIDECAR_UNIT: RUNNING}
    monkeypatch.setattr(plan.systemd, "look", lambda _names: failed)
    with pytest.raises(HostError, match="Envoy is LIVE; istio-auth-node-agent.service is failed"):
        list(plan.Await(20, "mesh", MADE).run())
