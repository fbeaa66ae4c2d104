# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import change, guard, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.guard import Before
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState

from tests.unit.plugins.fake_host import GROUP, USER, Host

ROLE = "dnsmasq"


@pytest.fixture(autouse=True)
def _own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    real = paths._ids
    mine = (os.getuid(), os.getgid())
    monkeypatch.setattr(paths, "_ids", lambda wanted: mine if wanted.owner == "root" else real(wanted))


def _states(host: Host) -> dict[str, PathState]:
    return {name: paths.read(host.path(name)) for name in ("hosts", "resolv.conf", "new", "dir", "dir/below", "locked")}


def _scene(host: Host) -> tuple[list[change.Operation], Before]:
    paths.put(host.path("hosts"), host.file("127.0.0.1 localhost\n", "0640"))
    paths.put(host.path("resolv.conf"), PathState("link", USER, GROUP, target="../run/it's here"))
    paths.put(host.path("locked"), host.file("key", "0400"))
    before = {host.path(name): state for name, state in _states(host).items()}
    before[host.path("locked")] = paths.read(host.path("locked"), content=False)
    operations: list[change.Operation] = [
        change.Put(host.path("dir"), PathState("directory", USER, GROUP, "0755")),
        change.Put(host.path("dir/below"), host.file("x")),
        change.Put(host.path("hosts"), host.file("changed")),
        change.Put(host.path("resolv.conf"), host.file("nameserver 127.0.0.1\n")),
        change.Put(host.path("new"), host.file("new")),
        change.Put(host.path("locked"), PathState("file", USER, GROUP, "0644")),
        change.Reread(),
        change.Unit("enable", "dnsmasq.service"),
        change.Unit("restart", "dnsmasq.service"),
    ]
    return operations, Before(
        before, {"dnsmasq.service": {"active": True, "enabled": False}}, first=[["true"]], last=[["echo", "a b"]]
    )


def test_all_is_done_and_the_timer_runs(host: Host) -> None:
    operations, before = _scene(host)
    seen: list[str] = []
    done = change.apply(ROLE, operations, before, after=lambda operation: seen.append(str(operation)))
    assert done == seen == [str(operation) for operation in operations]
    assert paths.read(host.path("hosts")) == host.file("changed")
    calls = host.calls()
    assert "systemctl --quiet enable -- dnsmasq.service" in calls
    assert "systemctl restart -- dnsmasq.service" in calls
    # Armed before the first change, and anew after the last one.
    armed = [number for number, call in enumerate(calls) if call.startswith("systemd-run ")]
    assert len(armed) == 2
    assert armed[0] < calls.index("systemctl daemon-reload") < armed[1]
    assert f"--on-active={guard.SECONDS}s" in calls[armed[0]]
    assert guard.confirm(ROLE)
    assert not os.path.exists(guard.place(ROLE))


@pytest.mark.parametrize("broken", range(1, 10))
def test_a_step_that_fails_leaves_the_host_as_it_was(broken: int, host: Host) -> None:
    operations, before = _scene(host)
    was = _states(host)
    bad = change.Program(["false"])
    with pytest.raises(change.Broken, match="^run false: false ended with 1") as caught:
        change.apply(ROLE, [*operations[:broken], bad, *operations[broken:]], before)
    assert caught.value.restored
    assert caught.value.done == [str(operation) for operation in operations[:broken]]
    assert _states(host) == was
    assert host.calls()[-3:] == [
        "systemctl daemon-reload",
        "systemctl --quiet disable dnsmasq.service",
        "systemctl restart dnsmasq.service",
    ]
    assert not os.path.exists(guard.place(ROLE))


def test_a_step_that_fails_for_a_reason_of_ours_is_no_finding(host: Host) -> None:
    class Slip:
        def run(self) -> None:
            raise ZeroDivisionError

    operations, before = _scene(host)
    was = _states(host)
    with pytest.raises(ZeroDivisionError):
        change.apply(ROLE, [*operations, Slip()], before)
    assert _states(host) == was


def test_when_putting_back_fails_as_well_both_are_told(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    operations, before = _scene(host)

    def broken(_role: str) -> None:
        raise HostError("no shell")

    monkeypatch.setattr(guard, "put_back", broken)
    with pytest.raises(
        change.Broken, match="false ended with 1: .*Putting back what was done failed as well: no shell"
    ) as caught:
        change.apply(ROLE, [operations[2], change.Program(["false"])], before)
    assert not caught.value.restored


def test_the_timer_was_faster_than_the_proof(host: Host) -> None:
    operations, before = _scene(host)
    change.apply(ROLE, operations, before)
    assert guard.pending(ROLE)
    subprocess.run(
        ["sh", f"{guard.place(ROLE)}/restore.sh"], check=True, env={"PATH": f"{host.path('bin')}:{os.environ['PATH']}"}
    )
    assert not guard.pending(ROLE)
    assert not guard.confirm(ROLE)
    assert guard.confirm("never_guarded")


class Slow:
    def __str__(self) -> str:
        return "wait"

    def run(self) -> Iterator[None]:
        for _round in range(4):
            yield


def test_a_long_step_keeps_the_timer_from_running_out(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 10)
    monkeypatch.setattr(change.time, "monotonic", lambda: next(clock))
    before = _scene(host)[1]
    assert change.apply(ROLE, [Slow()], before) == ["wait"]
    armed = [call for call in host.calls() if call.startswith("systemd-run ")]
    assert len(armed) > 3


def test_a_step_that_outlasts_the_timer_has_failed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 100)
    monkeypatch.setattr(change.time, "monotonic", lambda: next(clock))
    operations, before = _scene(host)
    was = _states(host)

    class Stuck:
        def __str__(self) -> str:
            return "hang"

        def run(self) -> None:
            environment = {"PATH": f"{host.path('bin')}:{os.environ['PATH']}"}
            subprocess.run(["sh", f"{guard.place(ROLE)}/restore.sh"], check=True, env=environment)

    with pytest.raises(change.Broken, match="^hang: it took 100 s, and after 45 s the guard put the old state back"):
        change.apply(ROLE, [Stuck(), *operations], before)
    assert _states(host) == was


def test_what_goes_back_has_its_old_date_and_no_draft_stays(host: Host) -> None:
    operations, before = _scene(host)
    dates = {name: os.lstat(host.path(name)).st_mtime_ns for name in ("hosts", "resolv.conf")}
    for purpose in ("", guard.CHECK):
        paths.put(paths.beside(host.path("hosts"), purpose), host.file("draft"))
    with pytest.raises(change.Broken):
        change.apply(ROLE, [*operations, change.Program(["false"])], before)
    assert {name: os.lstat(host.path(name)).st_mtime_ns for name in dates} == dates
    assert not [name for name in os.listdir(host.root) if name.startswith(".")]


def test_a_file_must_be_accepted_before_it_is_in_place(host: Host) -> None:
    paths.put(host.path("conf"), host.file("old"))
    host.program("checker", 'grep -q good "$1"')
    change.Put(host.path("conf"), host.file("good"), validate=["checker", "%s"]).run()
    with pytest.raises(HostError, match="checker .*conf.mesh-expansion-check ended with 1"):
        change.Put(host.path("conf"), host.file("bad"), validate=["checker", "%s"]).run()
    assert paths.read_text(host.path("conf")) == "good"
    assert not os.path.exists(host.path(".conf.mesh-expansion-check"))


def test_what_the_diff_shows() -> None:
    before = PathState("link", "root", "root", target="../run/resolv.conf")
    operations = [
        change.Put("/etc/resolv.conf", paths.text_file("nameserver 127.0.0.1\n")),
        change.Put("/etc/x", paths.directory()),
        change.Put("/etc/certs/key.pem", PathState("file", "istio-proxy", "istio-proxy", "0400")),
        change.Unit("restart", "dnsmasq.service"),
    ]
    shown = change.diff(operations, {"/etc/resolv.conf": before})
    assert [(one["before"], one["after"]) for one in shown] == [
        ("link to ../run/resolv.conf\n", "nameserver 127.0.0.1\n"),
        ("", "directory of root:root, mode 0755\n"),
        ("", "file of istio-proxy:istio-proxy, mode 0400\n"),
    ]
    assert change.touched(operations) == ["/etc/resolv.conf", "/etc/x", "/etc/certs/key.pem"]
    assert [str(operation) for operation in operations] == [
        "write /etc/resolv.conf",
        "make directory /etc/x",
        "write /etc/certs/key.pem",
        "restart dnsmasq.service",
    ]
