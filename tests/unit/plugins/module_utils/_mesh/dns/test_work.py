# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import change, footprint, guard, paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files, plan, work
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.look import Seen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns.settings import Settings

from tests.unit.plugins.fake_host import make_host

from .test_plan import do, joined

PACKAGES = ("dnsmasq", "bind9-host")


@dataclasses.dataclass
class Vm:
    """A host that is a value; what is applied is only noted, with what was on record at that moment."""

    seen: Seen
    applied: list[tuple[list[str], footprint.Footprint | None]] = dataclasses.field(default_factory=list)
    put_back: int = 0

    def look(self, _settings: Settings | None) -> Seen:
        return dataclasses.replace(self.seen, footprint=self.seen.footprint or footprint.load(files.ROLE))

    def apply(self, _role: str, operations: list[change.Operation], _before: guard.Before, _after: t.Any) -> None:
        self.applied.append(([str(operation) for operation in operations], footprint.load(files.ROLE)))
        self.seen = do(self.seen, operations)


@pytest.fixture
def vm(fresh: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Vm:
    make_host(tmp_path, monkeypatch)
    made = Vm(fresh)
    monkeypatch.setattr(paths, "_ids", lambda _wanted: (os.getuid(), os.getgid()))
    monkeypatch.setattr(work, "look", made.look)
    monkeypatch.setattr(work.change, "apply", made.apply)
    monkeypatch.setattr(work.packages, "gone_with", lambda names: [*names, "dnsmasq-base", "bash"] if names else [])
    return made


def test_what_was_is_on_disk_before_the_first_change(vm: Vm, fresh: Seen, wanted: Settings) -> None:
    done = work.join(wanted)
    ((texts, kept),) = vm.applied
    assert texts == list(done.texts) == [str(operation) for operation in plan.join(fresh, wanted)]
    assert kept == plan.footprint(fresh, wanted)
    assert not done.joined
    assert done.remembered


def test_nothing_is_done_twice(vm: Vm, wanted: Settings) -> None:
    work.join(wanted)
    again = work.join(wanted)
    assert len(vm.applied) == 1
    assert again.texts == []
    assert again.joined


def test_packages_must_be_there(vm: Vm, wanted: Settings) -> None:
    vm.seen = dataclasses.replace(vm.seen, packages={"dnsmasq": "installed"})
    with pytest.raises(HostError, match="bind9-host are not installed: install them first"):
        work.join(wanted)
    assert vm.applied == []


def test_the_look_writes_down_what_packages_are_about_to_change(vm: Vm, fresh: Seen, wanted: Settings) -> None:
    bare = dataclasses.replace(fresh, packages={"bash": "installed"}, account=False)
    vm.seen = bare
    assert not work.would_join(wanted).remembered
    assert footprint.load(files.ROLE) is None
    assert work.would_join(wanted, remember=True).remembered
    assert footprint.load(files.ROLE) == plan.footprint(bare, wanted)
    # The packages have come.
    vm.seen = fresh
    work.join(wanted)
    kept = footprint.load(files.ROLE)
    assert kept is not None
    assert kept.packages == ("bash",)
    assert not kept.accounts["dnsmasq"]


def test_the_look_writes_nothing_where_packages_are_there(vm: Vm, wanted: Settings) -> None:
    assert not work.would_join(wanted, remember=True).remembered
    assert footprint.load(files.ROLE) is None


def test_a_record_of_the_release_before_is_rewritten_once(vm: Vm, fresh: Seen, wanted: Settings) -> None:
    vm.seen = dataclasses.replace(joined(fresh, wanted), former=True)
    old = Path(footprint.directory(files.ROLE)) / "original.json"
    old.parent.mkdir(parents=True)
    old.touch()
    done = work.join(wanted)
    assert done.texts == ["bring the record of before into the form of this release"]
    assert vm.applied == []
    assert footprint.load(files.ROLE) == plan.footprint(vm.seen, wanted)
    assert not old.exists()


def test_what_was_cut_is_put_back_first(vm: Vm, wanted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(work.guard, "pending", lambda _role: True)
    monkeypatch.setattr(work.guard, "put_back", calls.append)
    first = "put back what a run that was cut has changed"
    assert work.join(wanted).texts[0] == first
    assert calls == [files.ROLE]
    assert work.leave(PACKAGES).texts[0] == first
    assert calls == [files.ROLE] * 2


def test_leaving_in_two_steps_with_the_purge_between_them(vm: Vm, fresh: Seen, wanted: Settings) -> None:
    bare = dataclasses.replace(fresh, packages={"bash": "installed"}, account=False)
    vm.seen = bare
    work.would_join(wanted, remember=True)
    vm.seen = fresh
    work.join(wanted)
    first = work.leave(PACKAGES)
    assert "write /etc/resolv.conf" in first.texts
    # What came along goes too, what was there before stays.
    assert first.packages == ["dnsmasq", "bind9-host", "dnsmasq-base"]
    assert first.remembered
    assert footprint.load(files.ROLE) is not None

    vm.seen = dataclasses.replace(vm.seen, packages={"bash": "installed"}, account=False)
    assert work.would_leave(PACKAGES).texts[-1] == "forget how the host was before"
    assert footprint.load(files.ROLE) is not None
    last = work.leave(PACKAGES)
    assert last.texts == ["forget how the host was before"]
    assert not last.remembered
    assert not os.path.exists(footprint.directory(files.ROLE))
    assert work.leave(PACKAGES).texts == []


def test_an_earlier_dnsmasq_stays(vm: Vm, fresh: Seen, wanted: Settings) -> None:
    vm.seen = dataclasses.replace(fresh, units={**fresh.units, files.UNIT: UnitState(loaded=True)})
    work.join(wanted)
    first = work.leave(PACKAGES)
    assert first.packages == []
    # The change has to be proven before its guard goes with the record.
    assert first.remembered
    assert work.leave(PACKAGES).texts == ["forget how the host was before"]


def test_what_a_person_reads() -> None:
    broken = change.Broken(change.Program(["false"]), "false ended with 1.", [], True)
    text = work.explain(broken, "192.0.2.62")
    assert text == (
        "dnsmasq: run false: false ended with 1. Name resolution is as it was before this run. Next, on that host: "
        "journalctl -u dnsmasq -n 50. If cluster names do not answer: "
        "does the director forward 192.0.2.62:53, and does kube-dns run?"
    )
    worse = work.explain(change.Broken(change.Program(["false"]), "no", [], False), "")
    assert "is not as it was: run sh /var/lib/mesh-expansion/dnsmasq/guard/restore.sh" in worse
    assert worse.endswith("journalctl -u dnsmasq -n 50.")
