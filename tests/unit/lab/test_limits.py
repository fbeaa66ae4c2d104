"""The machine's limit of inotify instances: raised for many hosts only, and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.errors import LabError
from lab.hosts import limits


@pytest.fixture(name="machine")
def fixture_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file in the place of the machine's setting."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    setting = tmp_path / "max_user_instances"
    setting.write_text("128\n", encoding="ascii")

    def sysctl(argv: list[str], **_rest: Any) -> None:
        setting.write_text(argv[-1].removeprefix("fs.inotify.max_user_instances="), encoding="ascii")

    monkeypatch.setattr(limits, "INSTANCES", setting)
    monkeypatch.setattr(limits.proc, "run", sysctl)
    return setting


def test_the_default_shape_changes_nothing(machine: Path) -> None:
    limits.make_room(len(config.topology().with_role("node", "vm")))
    limits.restore()
    assert machine.read_text(encoding="ascii") == "128\n"


def test_more_hosts_make_room_until_the_lab_goes(machine: Path) -> None:
    limits.make_room(19)
    limits.make_room(25)  # VMs were added; what was before the lab is still known
    assert machine.read_text(encoding="ascii") == str(limits.needed(25))
    limits.restore()
    assert machine.read_text(encoding="ascii") == "128"
    limits.restore()
    assert machine.read_text(encoding="ascii") == "128"


def test_a_machine_that_refuses_is_told_of(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(argv: list[str], **_rest: Any) -> None:
        raise LabError("sysctl: permission denied")

    monkeypatch.setattr(limits.proc, "run", refuse)
    with pytest.raises(LabError, match="permission denied; hosts of the lab share this limit"):
        limits.make_room(25)
    assert machine.read_text(encoding="ascii") == "128\n"
