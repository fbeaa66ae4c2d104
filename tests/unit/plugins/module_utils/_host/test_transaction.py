# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All or nothing, with every way to fail."""

from __future__ import annotations

import os

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import footprint, paths, transaction
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken, Operation, Put, Reread, Unit
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.footprint import Footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.transaction import Forget, Remember

from tests.unit.plugins.fake_host import Host

ROLE = "director"
SYSTEMCTL = """case "$*" in
show*) echo "ActiveState=$(cat {0}/active)"; echo "UnitFileState=$(cat {0}/enabled)";;
"--quiet enable"*) echo enabled > {0}/enabled;;
"--quiet disable"*) echo disabled > {0}/enabled;;
start*) echo active > {0}/active;;
stop*) echo inactive > {0}/active;;
esac"""


class Failing:
    """A step that does half of its work."""

    def __init__(self, path: str, undo_fails: bool = False) -> None:
        self.path, self.undo_fails = path, undo_fails

    def __str__(self) -> str:
        return "do half"

    def run(self) -> None:
        with open(self.path, "w", encoding="ascii") as file:
            file.write("half")
        raise HostError("no more")

    def undo(self) -> transaction.Undo:
        def undo() -> None:
            os.unlink(self.path)
            if self.undo_fails:
                raise HostError("stuck")

        return undo


@pytest.fixture
def steps(host: Host, monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    monkeypatch.setattr(paths, "_ids", lambda _wanted: (os.getuid(), os.getgid()))
    host.program("systemctl", SYSTEMCTL.format(host.root))
    paths.put(host.path("old"), host.file("old", "0600"))
    return [
        Remember(Footprint(ROLE, sysctls={"a": "0"})),
        Put(host.path("new"), host.file("new")),
        Put(host.path("old"), host.file("changed")),
        Reread(),
        Unit("enable", "x.service"),
        Unit("start", "x.service"),
    ]


def test_all(host: Host, steps: list[Operation]) -> None:
    seen: list[Operation] = []
    transaction.apply(steps, seen.append)
    assert seen == steps
    assert paths.read(host.path("old")) == host.file("changed")
    assert footprint.load(ROLE) == Footprint(ROLE, sysctls={"a": "0"})


@pytest.mark.parametrize("number", range(7))
def test_nothing_wherever_it_fails(host: Host, steps: list[Operation], number: int) -> None:
    steps.insert(number, Failing(host.path("half")))
    with pytest.raises(Broken, match="do half: no more") as caught:
        transaction.apply(steps)
    assert caught.value.restored
    assert caught.value.done == [str(step) for step in steps[:number]]
    assert paths.read(host.path("old")) == host.file("old", "0600")
    assert not os.path.exists(host.path("new"))
    assert not os.path.exists(host.path("half"))
    assert footprint.load(ROLE) is None
    if number > 4:
        assert "systemctl --quiet disable -- x.service" in host.calls()
    if number > 5:
        assert "systemctl stop -- x.service" in host.calls()
    if number > 3:
        # After the files are back.
        assert host.calls()[-1] == "systemctl daemon-reload"


def test_what_cannot_be_put_back_is_said_and_the_rest_is(host: Host, steps: list[Operation]) -> None:
    with pytest.raises(Broken, match="Putting back what was done failed as well: do half: stuck") as caught:
        transaction.apply([steps[2], Failing(host.path("half"), undo_fails=True)])
    assert not caught.value.restored
    assert paths.read(host.path("old")) == host.file("old", "0600")


def test_a_forgotten_footprint_comes_back(host: Host, steps: list[Operation]) -> None:
    transaction.apply(steps[:1])
    with pytest.raises(Broken):
        transaction.apply([Forget(ROLE), Failing(host.path("half"))])
    assert footprint.load(ROLE) == Footprint(ROLE, sysctls={"a": "0"})
    transaction.apply([Forget(ROLE)])
    assert footprint.load(ROLE) is None


def test_a_changed_footprint_goes_back(host: Host, steps: list[Operation]) -> None:
    transaction.apply(steps[:1])
    with pytest.raises(Broken):
        transaction.apply([Remember(Footprint(ROLE, sysctls={"b": "1"})), Failing(host.path("half"))])
    assert footprint.load(ROLE) == Footprint(ROLE, sysctls={"a": "0"})
