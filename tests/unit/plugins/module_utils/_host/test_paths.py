# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState

from tests.unit.plugins.fake_host import GROUP, USER, Host


def test_what_is_put_is_read(host: Host) -> None:
    states = {
        "file": host.file("one\n", "0640"),
        "link": PathState("link", USER, GROUP, target="file"),
        "directory": PathState("directory", USER, GROUP, "0750"),
    }
    for name, state in states.items():
        paths.put(host.path(name), state)
    assert {name: paths.read(host.path(name)) for name in states} == states
    assert sorted(path.name for path in host.root.iterdir() if path.name != "bin") == ["directory", "file", "link"]
    for name in states:
        paths.put(host.path(name), paths.NOTHING)
        assert paths.read(host.path(name)) == paths.NOTHING


def test_a_file_takes_the_place_of_a_link_and_leaves_its_target(host: Host) -> None:
    paths.put(host.path("target"), host.file("theirs"))
    paths.put(host.path("resolv.conf"), PathState("link", USER, GROUP, target="target"))
    paths.put(host.path("resolv.conf"), host.file("ours"))
    assert paths.read(host.path("resolv.conf")) == host.file("ours")
    assert paths.read_text(host.path("target")) == "theirs"


def test_a_file_is_never_readable_by_others_on_its_way(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = os.fchown

    def fchown(handle: int, uid: int, gid: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        real(handle, uid, gid)

    monkeypatch.setattr(os, "fchown", fchown)
    paths.put(host.path("key"), host.file("secret", "0644"))
    assert seen == [0o600]


def test_what_failed_half_way_leaves_the_old_file(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    paths.put(host.path("hosts"), host.file("old"))

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match=r"hosts in place: No space left on device$"):
        paths.put(host.path("hosts"), host.file("new"))
    assert paths.read_text(host.path("hosts")) == "old"
    assert [path.name for path in host.root.iterdir() if path.name != "bin"] == ["hosts"]


def test_owner_and_mode_of_a_file_whose_content_is_not_looked_at(host: Host) -> None:
    paths.put(host.path("key"), host.file("secret", "0644"))
    before = paths.read(host.path("key"), content=False)
    assert before == PathState("file", USER, GROUP, "0644")
    assert "secret" not in str(before)
    paths.put(host.path("key"), PathState("file", USER, GROUP, "0400"))
    assert paths.read(host.path("key")) == host.file("secret", "0400")


def test_what_stands_in_the_way_is_named(host: Host) -> None:
    (host.root / "hosts").mkdir()
    with pytest.raises(HostError, match="hosts is a directory, where a file belongs"):
        paths.put(host.path("hosts"), host.file("new"))
    with pytest.raises(HostError, match="no account nobody-here on this host"):
        paths.put(host.path("file"), PathState("file", "nobody-here", GROUP, "0644", b""))


@pytest.mark.parametrize("content", [b"plain text\n", b"\xff\x00", b"", None])
def test_a_state_survives_json(content: bytes | None) -> None:
    state = PathState("file", "root", "adm", "0640", content)
    assert PathState.from_dict(state.as_dict()) == state


def test_absent_paths(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "missing/deeper", "file/below"):
        assert paths.read(str(tmp_path / name)) == paths.NOTHING
        assert paths.read_text(str(tmp_path / name)) is None
        paths.put(str(tmp_path / name), paths.NOTHING)
