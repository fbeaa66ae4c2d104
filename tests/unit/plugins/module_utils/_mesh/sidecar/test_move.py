# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM moves from the sidecar of one generation to that of another: all of it, or it is as it was."""

from __future__ import annotations

import dataclasses
import os
import types
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, guard, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import (
    apply,
    chains,
    layout,
    look,
    move,
    plan,
    traces,
    tracking,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.look import Seen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.move import Arrival
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

from tests.unit.plugins.fake_host import Host
from tests.unit.plugins.modules.test_preflight_probes import deb

OLD, NEW = layout.AGENT_AND_PROXY, layout.ONE_AGENT
FILE = "/var/cache/mesh-expansion/new.deb"
OLD_ENV = "# kept\nISTIO_INBOUND_PORTS=9080\nISTIO_SVC_IP=192.0.2.81\nMINE=1\n"
RUNNING = UnitState(loaded=True, active=True, enabled=True, state="active", file_state="enabled", since=1.0)
SEEN = Seen(
    version="1.0.5",
    account=True,
    address="192.0.2.81",
    paths={layout.SIDECAR_ENV: PathState(paths.FILE, layout.USER, layout.USER, "0644", OLD_ENV.encode())},
    units=dict.fromkeys(OLD.units, RUNNING),
    envoy=look.LIVE,
    former=OLD,
)


def settings() -> Settings:
    """Of the new generation."""
    files = {layout.CLUSTER_ENV: paths.text_file("NEW=1\n", "0640", layout.USER, layout.USER)}
    services = [{"name": "web", "port": 9080}]
    return Settings("192.0.2.62", address="192.0.2.81", services=services, layout=NEW, files=files)


def arrival() -> Arrival:
    key, chain, _root = layout.IDENTITY
    return Arrival(FILE, (chain, key))


def texts() -> dict[str, str]:
    key, chain, _root = layout.IDENTITY
    return {path: Path(path).read_text() for path in (key, chain, layout.CLUSTER_ENV, layout.SIDECAR_ENV)}


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [((), None), (OLD.units, OLD), (NEW.units, NEW), ((layout.AGENT_UNIT,), None)],
)
def test_a_package_is_known_by_its_units(loaded: t.Sequence[str], expected: layout.Layout | None) -> None:
    assert layout.of_units(loaded) == expected


def test_the_former_sidecar_stops_before_anything_of_it_is_touched() -> None:
    operations = plan.plan(SEEN, settings(), arrival=arrival())
    assert [str(operation) for operation in operations] == [
        "stop istio.service",
        "stop istio-auth-node-agent.service",
        "disable istio-auth-node-agent.service",
        "remove the chains of istio-sidecar (iptables)",
        "remove /etc/certs/cert-chain.pem",
        "remove /etc/certs/key.pem",
        f"install {FILE}",
        f"take out of {layout.SIDECAR_ENV} what was for the former sidecar",
        "give /var/lib/istio to istio-proxy",
        f"write {layout.CLUSTER_ENV}",
        "have systemd read its units again",
        "track the connections that there are",
        "restart istio.service",
        "wait until Envoy has its configuration",
        "leave that to the sidecar's rules",
    ]


def test_back_to_the_first_generation_its_agent_starts_before_the_sidecar() -> None:
    old = Settings("192.0.2.62", "10.96.0.0/12", address="192.0.2.81", layout=OLD)
    seen = dataclasses.replace(SEEN, former=NEW, units={layout.SIDECAR_UNIT: RUNNING}, paths={})
    steps = [str(operation) for operation in plan.plan(seen, old, arrival=Arrival(FILE))]
    assert steps[:4] == [
        "stop istio.service",
        "remove the chains of istio-sidecar (iptables-legacy)",
        "remove the chains of istio-sidecar (iptables-nft)",
        f"install {FILE}",
    ]
    assert steps[-5:] == [
        "have systemd read its units again",
        "enable istio-auth-node-agent.service",
        "restart istio-auth-node-agent.service",
        "restart istio.service",
        "wait until Envoy has its configuration",
    ]


@pytest.fixture
def moving(host: Host, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A VM where the first generation runs, and the file of its package is there."""
    key, chain, _root = layout.IDENTITY
    for path, text in ((layout.SIDECAR_ENV, OLD_ENV), (layout.CLUSTER_ENV, "OLD=1\n"), (key, "key"), (chain, "chain")):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_text(text)
    Path(f"{layout.ENV_DIR}/template").write_text("old")
    os.makedirs(os.path.dirname(traces.previous()))
    Path(traces.previous()).write_bytes(deb("Package: istio-sidecar\nVersion: 1.0.5\nArchitecture: amd64\n"))
    host.program("dpkg-query", "printf 'installed istio-sidecar 1.0.5\\n'")
    running = "LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n"
    host.program("systemctl", f'test "$1" != show || printf "{running}\\n{running}"')
    host.program("apt-get")
    host.program("dpkg")
    for name in (*OLD.filters, *NEW.filters):
        host.program(f"{name}-save")
        host.program(f"{name}-restore", "cat > /dev/null")
    monkeypatch.setattr(look, "ready_state", lambda _page: look.LIVE)
    monkeypatch.setattr(tracking.time, "sleep", lambda _seconds: None)
    return host


def test_the_guard_brings_back_either(moving: Host) -> None:
    seen = look.look(settings())
    assert seen.former == OLD
    before = apply.before(seen, plan.plan(seen, settings(), arrival=arrival()), "1.0.5", NEW)
    assert list(before.units) == [*OLD.units]
    *before_package, package = before.first
    assert before_package == [
        ("systemctl", "stop", *reversed(OLD.units)),
        *(chains.remove(name) for name in ("iptables", "iptables-legacy", "iptables-nft")),
    ]
    assert f"dpkg --force-confdef --force-confold --install {traces.previous()} && break" in package[2]
    assert {path: (before.paths[path].content or b"").decode() for path in texts()} == texts()
    # One package's settings are none of another's.
    assert before.paths[f"{layout.SIDECAR_ENV}.dpkg-dist"] == paths.NOTHING
    assert before.paths[f"{layout.ENV_DIR}/template"].content == b"old"
    # What was not there goes again.
    assert before.paths[layout.IDENTITY[2]] == paths.NOTHING
    assert before.paths[layout.MESH_CONFIG] == paths.NOTHING


def present(**more: t.Any) -> apply.Outcome:
    given = {"settings": settings(), "restart": False, "upgraded_from": "1.0.5", "check": False, "arrival": arrival()}
    return apply.present(**{**given, **more})


def test_it_moves(moving: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply, "time", types.SimpleNamespace(monotonic=iter([1.0, 3.54]).__next__))
    outcome = present()
    assert outcome.pause == 2.5
    assert outcome.guarded
    assert not [path for path in layout.IDENTITY if os.path.exists(path)]
    assert Path(layout.CLUSTER_ENV).read_text() == "NEW=1\n"
    assert Path(layout.SIDECAR_ENV).read_text() == "# kept\nMINE=1\n"
    (install,) = [call for call in moving.calls() if call.startswith("apt-get")]
    assert install.endswith(f"install {FILE}")
    assert "DPkg::Lock::Timeout=120" in install


def test_no_key_is_in_the_diff(moving: Host) -> None:
    shown = {item["before_header"]: item["before"] for item in present(check=True).diff}
    assert [shown[path] for path in arrival().remove] == ["", ""]


def test_a_package_that_cannot_be_installed_leaves_the_former(moving: Host) -> None:
    before = texts()
    moving.program("apt-get", "echo no space >&2; exit 100")
    with pytest.raises(Broken, match="install .*ended with 100: no space") as broken:
        present()
    assert broken.value.restored
    assert texts() == before
    assert "systemctl restart istio-auth-node-agent.service" in moving.calls()


@pytest.mark.parametrize("number", range(1, 16))
def test_killed_after_an_operation_the_guard_has_what_was(number: int, moving: Host) -> None:
    before, done = texts(), 0

    def kill(_operation: object) -> None:
        nonlocal done
        done += 1
        if done == number:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        present(after=kill)
    assert guard.undo_cut(layout.ROLE)
    assert texts() == before
    restarts = [call for call in moving.calls() if call.startswith("systemctl restart")]
    assert restarts[-2:] == [f"systemctl restart {name}" for name in OLD.units]


def timer_runs(moving: Host) -> None:
    """The guard's timer, when it is set to begin at once."""
    moving.program("systemd-run", 'for last; do :; done; case "$*" in *on-active=1s*) /bin/sh "$last" ;; esac')


def test_a_move_that_is_confirmed_goes_back_until_it_is_settled(moving: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    timer_runs(moving)
    monkeypatch.setattr(look, "envoy_state", lambda: look.LIVE)
    before = texts()
    assert not apply.go_back(1, "istio-system", False).changed
    assert not present(check=True).kept
    assert present(arrival=dataclasses.replace(arrival(), keeps=True)).kept
    assert guard.confirm(layout.ROLE, keep=True)
    assert not guard.pending(layout.ROLE)
    assert Path(layout.CLUSTER_ENV).read_text() == "NEW=1\n"
    assert apply.go_back(1, "istio-system", True) == apply.Outcome(True, [apply.BACK], [])
    assert Path(layout.CLUSTER_ENV).read_text() == "NEW=1\n"
    assert apply.go_back(1, "istio-system", False).changed
    assert texts() == before
    restarts = [call for call in moving.calls() if call.startswith("systemctl restart")]
    assert restarts[-2:] == [f"systemctl restart {name}" for name in OLD.units]
    # Nothing of the keys is left, and nothing more to go back to.
    assert not os.path.exists(guard.kept(layout.ROLE))
    assert not os.path.exists(guard.place(layout.ROLE))
    assert not apply.go_back(1, "istio-system", False).changed


def test_the_former_sidecar_has_to_work_when_it_is_back(moving: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    timer_runs(moving)
    monkeypatch.setattr(look, "envoy_state", lambda: "INITIALIZING")
    present()
    guard.confirm(layout.ROLE, keep=True)
    with pytest.raises(HostError, match="does not work after 1 s: Envoy is INITIALIZING; .*host istio-pilot.control"):
        apply.go_back(1, "control", False)


def test_what_has_moved_stays_once_it_is_settled_or_changed_again(moving: Host) -> None:
    timer_runs(moving)
    present()
    guard.confirm(layout.ROLE, keep=True)
    assert apply.settle(True).changed
    assert guard.keeps(layout.ROLE)
    assert apply.settle(False).changed
    assert not apply.settle(False).changed
    assert not apply.go_back(1, "istio-system", False).changed
    present()
    guard.confirm(layout.ROLE, keep=True)
    # It would lead to before the first of the two.
    present()
    assert not guard.keeps(layout.ROLE)


def test_a_way_back_that_is_cut_is_completed_by_the_next_run(moving: Host) -> None:
    """The timer is the host's own; before it is set nothing has been put back."""
    before = texts()
    present()
    guard.confirm(layout.ROLE, keep=True)
    moving.program("systemd-run", "exit 1")
    with pytest.raises(HostError):
        apply.go_back(1, "istio-system", False)
    assert Path(layout.CLUSTER_ENV).read_text() == "NEW=1\n"
    assert guard.undo_cut(layout.ROLE)
    assert texts() == before


def test_who_could_not_be_brought_back_does_not_move(moving: Host) -> None:
    os.remove(traces.previous())
    with pytest.raises(HostError, match="istio-sidecar 1.0.5 is not on this host.*Put it into "):
        present()
    assert not [call for call in moving.calls() if call.startswith("systemctl stop")]


def test_a_program_that_takes_long_is_waited_for(host: Host) -> None:
    host.program("slow", "sleep 1; echo said")
    assert list(commands.patiently(["slow"], 30))
    host.program("slow", "sleep 30")
    with pytest.raises(HostError, match="slow has not come to an end within 0 s"):
        list(commands.patiently(["slow"], 0))
    with pytest.raises(HostError, match="missing is not installed"):
        list(commands.patiently(["missing"], 1))


def test_files_of_root_below_its_home_are_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(move.accounts, "uid_of", lambda _name: 999)
    monkeypatch.setattr(move.look, "foreign_paths", lambda *_: {"/var/lib/istio/new": paths.NOTHING})
    monkeypatch.setattr(move.os, "lchown", lambda path, uid, gid: given.append((path, uid, gid)))
    move.OwnHome(NEW.settings).run()
    assert given == [("/var/lib/istio/new", 999, -1)]
