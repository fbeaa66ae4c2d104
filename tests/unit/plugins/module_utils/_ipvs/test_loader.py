# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved tables and the loader: all or nothing, and fit to run without Ansible."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import loader, model, options, plan, save
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import SaveError, ValidationError
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.channel import Channel
from hypothesis import given

from tests.unit.plugins.fake_ipvs import FakeKernel
from tests.unit.plugins.ipvs_strategies import tables

ROOT = Path(__file__).resolve().parents[5]
SERVICES = [
    {
        "tcp_service": "192.168.0.62:53",
        "scheduler": "wrr",
        "persistent": 300,
        "real_servers": [{"real_server": "192.168.0.71:53"}],
    },
    {
        "udp_service": "192.168.0.62:53",
        "scheduler": "wrr",
        "ops": True,
        "real_servers": [{"real_server": "192.168.0.71:53"}],
    },
]
VIPS = ["192.168.0.62"]


class Loader:
    """Runs the loader against a kernel in memory."""

    def __init__(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.kernel = FakeKernel()
        self.file = tmp_path / "ipvs.json"
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        status = loader.main(
            list(arguments),
            lambda: Client.open(load=False, channel=Channel(1.0, self.kernel.open)),  # type: ignore[arg-type]
        )
        captured = self._capsys.readouterr()
        return status, captured.out, captured.err

    def write(self, content: Any) -> None:
        self.file.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Loader:
    return Loader(tmp_path, capsys)


def saved(**changes: Any) -> dict[str, Any]:
    return {"format": save.FORMAT, "version": 1, "vips": VIPS, "services": SERVICES, **changes}


def test_restore_brings_the_table_back_and_then_does_nothing(load: Loader) -> None:
    load.file.write_text(save.dumps(SERVICES, VIPS))
    expected = [
        "-A -t 192.168.0.62:53 -s wrr -p 300",
        "-a -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1",
        "-A -u 192.168.0.62:53 -s wrr -o",
        "-a -u 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1",
    ]
    assert load("--diff", str(load.file)) == (0, "".join(f"{line}\n" for line in expected), "")
    assert load.kernel.writes == []
    assert load("--restore", str(load.file))[:2] == (0, "".join(f"{line}\n" for line in expected))
    assert load("--restore", str(load.file)) == (0, "", "")


def test_restore_owns_its_addresses_and_nothing_else(load: Loader) -> None:
    load.write(
        saved(
            services=[{"tcp_service": "192.168.0.62:1"}, {"tcp_service": "192.168.0.63:1"}, {"fwmark_service": 7}],
            vips=[],
        )
    )
    assert load("--restore", str(load.file))[0] == 0
    load.write(saved())
    assert "-D -t 192.168.0.62:1\n" in load("--restore", str(load.file))[1]
    assert [line.split(" -s")[0] for line in json_lines(load)] == [
        "-A -t 192.168.0.62:53",
        "-A -t 192.168.0.63:1",
        "-A -u 192.168.0.62:53",
        "-A -f 7",
    ]


def json_lines(load: Loader) -> list[str]:
    _status, text, _error = load("--dump")
    table = {one.service.key: model.Entry(one.service, {}) for one in save.loads(text).services}
    return model.lines(table)


def test_dump_and_save_say_the_same(load: Loader) -> None:
    load.write(saved())
    load("--restore", str(load.file))
    other = load.file.with_name("other.json")
    assert load("--save", str(other), "--vip", "192.168.0.62") == (0, "", "")
    assert load("--dump", "--vip", "192.168.0.62")[1] == other.read_text()
    assert save.loads(other.read_text()) == save.loads(load.file.read_text())
    assert load("--dump", "--vip", "192.168.0.1")[1] == save.dumps([], ["192.168.0.1"])
    assert other.stat().st_mode & 0o777 == 0o644


WRONG: list[tuple[Any, str]] = [
    ("", "is not JSON"),
    ("[" * 100000, "is not JSON"),
    ("[]", "is not a saved table"),
    ({"services": []}, "is not a saved table"),
    (saved(version=2), "version 2 of the format is unknown: this loader reads version 1"),
    (saved(flush=True), "unknown field flush"),
    (saved(vips="192.168.0.62"), "vips must be a list"),
    (saved(vips=["vip"]), "is not an IPv4 or IPv6 address"),
    (saved(services=None), "services must be a list"),
    (saved(vips=["192.168.0.63"]), "its address is none of vips"),
    (saved(services=[*SERVICES, {"tcp_service": "192.168.0.62:0"}]), r"services\[2\] \(-t 192.168.0.62:0\): port 0"),
    (
        saved(
            services=[
                {"tcp_service": "192.168.0.62:5", "real_servers": [{"real_server": "192.168.0.71", "state": "drained"}]}
            ]
        ),
        "has state drained",
    ),
]


@pytest.mark.parametrize(("content", "reason"), WRONG)
@pytest.mark.parametrize("action", ["--restore", "--check", "--diff"])
def test_a_file_with_any_mistake_is_refused_as_a_whole(load: Loader, action: str, content: Any, reason: str) -> None:
    load.write(content)
    status, out, err = load(action, str(load.file))
    assert (status, out) == (2, "")
    assert err.startswith("ipvs loader: ")
    with pytest.raises(ValidationError, match=reason):
        save.loads(load.file.read_text())
    assert load.kernel.sends == []


def test_a_truncated_file_is_refused(load: Loader) -> None:
    text = save.dumps(SERVICES, VIPS)
    for size in range(0, len(text) - 2, 7):
        load.write(text[:size])
        assert load("--check", str(load.file))[0] == 2


def test_a_good_file_passes_without_a_kernel(load: Loader) -> None:
    load.write(saved())
    load.kernel.loaded = False
    assert load("--check", str(load.file)) == (0, "", "")
    status, _out, err = load("--restore", str(load.file))
    assert status == 3
    assert "load the module ip_vs" in err


def test_files_that_cannot_be_read_or_written(load: Loader, tmp_path: Path) -> None:
    assert load("--check", str(tmp_path / "none"))[0] == 2
    load.file.write_bytes(b"\xff\xfe")
    assert load("--check", str(load.file))[0] == 2
    status, _out, err = load("--save", str(tmp_path / "none" / "file"))
    assert (status, "cannot write" in err) == (2, True)


def test_what_fails_is_told(load: Loader) -> None:
    load.write(saved(services=[{**SERVICES[0], "scheduler": "foo"}]))
    status, out, err = load("--restore", str(load.file))
    assert (status, out) == (1, "")
    assert "failed: -A -t 192.168.0.62:53 -s foo -p 300: the kernel does not find the scheduler foo" in err
    assert "not applied: -a -t 192.168.0.62:53" in err


def test_a_foreign_writer_in_the_middle_of_a_read(load: Loader) -> None:
    load.kernel.interventions[2] = lambda kernel: setattr(kernel, "loaded", False)
    assert load("--dump")[0] == 1


def test_the_old_file_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ipvs.json"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(save.os, "fsync", full)
    with pytest.raises(SaveError, match="No space left"):
        save.store(str(path), "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["ipvs.json"]


@given(tables())
def test_a_saved_table_is_the_table(table: list[dict[str, Any]]) -> None:
    wanted = options.parse_services(table)
    actual = plan.simulate({}, plan.plan({}, wanted))
    read = save.loads(save.of_table(actual, []))
    assert plan.plan(actual, read.services, plan.PURGE_ALL) == []
    assert {one.service.key for one in read.services} == set(actual)


def test_the_loader_runs_on_its_own(tmp_path: Path) -> None:
    """Two directories side by side, any name above them, nothing of Ansible in reach."""
    package = tmp_path / "library/mesh_ipvs"
    package.mkdir(parents=True)
    for name in ("_netlink", "_ipvs"):
        (package / name).symlink_to(ROOT / "plugins/module_utils" / name)
    file = tmp_path / "ipvs.json"
    file.write_text(save.dumps(SERVICES, VIPS))
    program = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r}); from mesh_ipvs._ipvs import loader; "
        "sys.exit(loader.main())"
    )
    command = [sys.executable, "-I", "-c", program]
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run([*command, "--check", str(file)], env=environment, check=False).returncode == 0
    file.write_text("{}")
    assert (
        subprocess.run([*command, "--check", str(file)], env=environment, capture_output=True, check=False).returncode
        == 2
    )


def test_no_import_leads_out_of_the_two_directories() -> None:
    for path in [
        *(ROOT / "plugins/module_utils/_netlink").glob("*.py"),
        *(ROOT / "plugins/module_utils/_ipvs").glob("*.py"),
    ]:
        assert not re.search(r"^\s*(from|import)\s+ansible", path.read_text(), re.MULTILINE), path
