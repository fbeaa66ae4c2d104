# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work as a whole, on a host in a directory whose programs note how they are called."""

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import accounts, footprint, guard, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken, Operation
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import apply, layout, look, traces
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

from tests.unit.plugins.fake_host import Host
from tests.unit.plugins.modules.test_preflight_probes import deb

SETTINGS = Settings("192.0.2.62", "10.96.0.0/12", address="192.0.2.81", services=[{"name": "web", "port": 9080}])
MADE = layout.AGENT_AND_PROXY
PACKAGE_ENV = "# the package's\n"
UNIT = "LoadState=loaded\\nActiveState={0}\\nUnitFileState={1}\\nInactiveExitTimestamp=Fri 2026-11-27 17:20:00 UTC\\n"


@pytest.fixture
def installed(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The package is there, and nothing runs yet."""
    os.makedirs(layout.ENV_DIR)
    Path(layout.SIDECAR_ENV).write_text(PACKAGE_ENV)
    host.program("dpkg-query", "printf 'installed istio-sidecar 1.0.5\\n'")
    host.program("iptables-save")
    host.program("iptables-restore", "cat > /dev/null")
    units(host, "inactive", "disabled")
    monkeypatch.setattr(look, "envoy_state", lambda: "LIVE")
    return host


def units(host: Host, state: str, file_state: str) -> None:
    """From the first restart on they are active."""
    block = UNIT.format(state, file_state)
    running = UNIT.format("active", "enabled")
    host.program(
        "systemctl",
        f'test -e {host.root}/fails && test "$1 $3" = "$(cat {host.root}/fails)" && {{ echo broken >&2; exit 1; }}\n'
        f'test "$1" != restart || : > {host.root}/runs\n'
        f'test "$1" != show || if test -e {host.root}/runs; then printf "{running}\\n{running}";'
        f' else printf "{block}\\n{block}"; fi',
    )


def files() -> dict[str, t.Any]:
    return {path: paths.read(path) for path in (layout.CLUSTER_ENV, layout.SIDECAR_ENV)}


def present(**more: t.Any) -> apply.Outcome:
    return apply.present(**{"settings": SETTINGS, "restart": False, "upgraded_from": "", "check": False, **more})


def test_a_first_run_and_a_second_one(installed: Host) -> None:
    done = present()
    assert (done.changed, done.guarded) == (True, True)
    # Nothing ran that could have been away.
    assert done.pause == 0.0
    assert Path(layout.CLUSTER_ENV).read_text() == SETTINGS.cluster_text()
    assert Path(layout.SIDECAR_ENV).read_text() == SETTINGS.sidecar_text(PACKAGE_ENV, "192.0.2.81")
    calls = installed.calls()
    agent, sidecar = (calls.index(f"systemctl restart -- {unit}") for unit in MADE.units)
    assert agent < sidecar
    assert footprint.load(layout.ROLE) is not None
    assert guard.confirm(layout.ROLE)
    later = 1795800000.0
    for path in (layout.CLUSTER_ENV, layout.SIDECAR_ENV):
        os.utime(path, (later - 60, later - 60))
    installed.root.joinpath("calls").unlink()
    assert present() == apply.Outcome(False, [], [])
    assert not [call for call in installed.calls() if "restart" in call or call.startswith("systemd-run")]


def test_check_mode_says_the_same_and_does_nothing(installed: Host) -> None:
    before = files()
    said = present(check=True)
    assert files() == before
    assert not os.path.exists(footprint.directory(layout.ROLE))
    assert [shown["before_header"] for shown in said.diff] == [layout.CLUSTER_ENV, layout.SIDECAR_ENV]
    assert present().operations == said.operations


def test_without_the_package_nothing_is_touched(installed: Host) -> None:
    installed.program("dpkg-query", "printf 'config-files istio-sidecar 1.0.5\\n'")
    with pytest.raises(HostError, match="istio-sidecar is not installed on this host: run the role"):
        present()
    assert not os.path.exists(footprint.directory(layout.ROLE))


def fail_at(host: Host, call: str) -> None:
    (host.root / "fails").write_text(call)


def test_a_unit_that_does_not_start_leaves_the_host_as_it_was(installed: Host) -> None:
    before = files()
    fail_at(installed, f"restart {layout.SIDECAR_UNIT}")
    with pytest.raises(Broken, match="^restart istio.service: .* ended with 1: broken") as caught:
        present()
    assert caught.value.restored
    assert files() == before
    calls = installed.calls()
    put_back = calls.index("systemctl stop istio.service istio-auth-node-agent.service")
    # A pipe: either of them may be the first to note that it was called.
    assert sorted(calls[put_back + 1 : put_back + 3]) == ["iptables-restore --noflush -w 10", "iptables-save "]
    assert calls[-4:] == [
        "systemctl --quiet disable istio-auth-node-agent.service",
        "systemctl stop istio-auth-node-agent.service",
        "systemctl --quiet disable istio.service",
        "systemctl stop istio.service",
    ]


def test_an_envoy_that_never_comes_leaves_the_host_as_it_was(installed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files()
    monkeypatch.setattr(look, "envoy_state", lambda: "PRE_INITIALIZING")
    with pytest.raises(Broken, match="the sidecar does not work after 1 s: Envoy is PRE_INITIALIZING; .*Next, on that"):
        present(settings=dataclasses.replace(SETTINGS, timeout=1))
    assert files() == before


def test_waiting_alone_needs_no_guard(installed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    present()
    guard.confirm(layout.ROLE)
    for path in (layout.CLUSTER_ENV, layout.SIDECAR_ENV):
        os.utime(path, (1, 1))
    said = ["INITIALIZING", "INITIALIZING", "LIVE"]
    monkeypatch.setattr(look, "envoy_state", lambda: said.pop(0))
    done = present()
    assert (done.changed, done.guarded, len(done.operations)) == (False, False, 1)
    assert said == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("number", range(8))
def test_killed_after_an_operation_both_ways_lead_out(number: int, installed: Host) -> None:
    """The guard's script restores; the next run, when it comes first, completes."""
    before = files()
    done: list[str] = []

    def kill(operation: Operation) -> None:
        done.append(str(operation))
        if len(done) == number + 1:
            raise Killed

    planned = present(check=True).operations
    assert len(planned) == 8, planned
    with pytest.raises(Killed):
        present(after=kill)
    assert done == planned[: number + 1]
    assert apply.steps_of(look.look(SETTINGS), SETTINGS)[0] == apply.CUT
    guard.put_back(layout.ROLE)
    assert files() == before
    (installed.root / "runs").unlink(missing_ok=True)
    done.clear()
    with pytest.raises(Killed):
        present(after=kill)
    (installed.root / "runs").unlink(missing_ok=True)
    assert apply.prepare(MADE, check=True).operations[0] == apply.CUT
    completed = present()
    assert completed.operations == [apply.CUT, *planned]
    assert Path(layout.SIDECAR_ENV).read_text() == SETTINGS.sidecar_text(PACKAGE_ENV, "192.0.2.81")
    assert guard.confirm(layout.ROLE)


def test_before_a_package_is_fetched(installed: Host) -> None:
    assert apply.prepare(MADE, check=True).changed
    assert not os.path.exists(layout.CACHE)
    assert apply.prepare(MADE, check=False).changed
    assert oct(os.stat(layout.CACHE).st_mode)[-3:] == "755"
    kept = footprint.load(layout.ROLE)
    assert kept is not None
    assert not kept.existed(layout.CACHE)
    assert kept.packages == ("istio-sidecar",)
    assert not apply.prepare(MADE, check=False).changed


def put_package(path: str, version: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Path(path).write_bytes(deb(f"Package: istio-sidecar\nVersion: {version}\nArchitecture: amd64\n"))


def test_the_guard_puts_the_package_of_before_back_after_an_upgrade_only(installed: Host) -> None:
    put_package(traces.previous(), "1.0.4")
    again = ("dpkg", "--force-confdef", "--force-confold", "--install", traces.previous())
    seen = look.look(SETTINGS)
    assert again in apply.before(seen, [], "1.0.4", MADE).first
    assert again not in apply.before(seen, [], "", MADE).first
    assert again not in apply.before(seen, [], "1.0.3", MADE).first


def test_a_unit_that_was_about_to_start_goes_on(installed: Host) -> None:
    units(installed, "activating", "enabled")
    was = apply.before(look.look(SETTINGS), [], "", MADE).units
    assert was == dict.fromkeys(MADE.units, {"active": True, "enabled": True})


def test_a_package_without_units_does_not_make_them_forgotten(installed: Host) -> None:
    units(installed, "active", "")
    os.makedirs(layout.WANTS)
    os.symlink("/lib/systemd/system/gone", f"{layout.WANTS}/{layout.SIDECAR_UNIT}")
    was = apply.before(look.look(SETTINGS), [], "", MADE).units
    assert was[layout.SIDECAR_UNIT] == {"active": True, "enabled": True}
    assert was[layout.AGENT_UNIT] == {"active": True, "enabled": False}


def test_an_installation_that_failed_is_reverted(installed: Host) -> None:
    assert apply.revert("", check=False) == apply.Outcome(False, [], [])
    assert apply.revert("1.0.5", check=False) == apply.Outcome(False, [], [])
    with pytest.raises(HostError, match="istio-sidecar 1.0.4 cannot be put back: its file was not in "):
        apply.revert("1.0.4", check=False)
    put_package(traces.previous(), "1.0.4")
    installed.program("dpkg")
    assert apply.revert("1.0.4", check=False).changed
    assert installed.calls()[-1] == f"dpkg --force-confdef --force-confold --install {traces.previous()}"


def test_removal_forgets_last_and_twice_is_once(installed: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    installed.program("apt-get")
    installed.program("userdel")
    monkeypatch.setattr(accounts, "exists", lambda _name: False)
    apply.prepare(MADE, check=False)
    present()
    assert apply.absent(check=True).changed
    assert os.path.exists(layout.CACHE)
    left = apply.absent(check=False)
    assert left.changed
    assert left.operations[-1] == f"forget {footprint.directory(layout.ROLE)}"
    assert os.path.exists(layout.HOME)  # was there before
    for path in (layout.CACHE, footprint.ROOT):
        assert not os.path.exists(path)
    assert apply.absent(check=False) == apply.Outcome(False, [], [])
