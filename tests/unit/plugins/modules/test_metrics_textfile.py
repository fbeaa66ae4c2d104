# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file that a collector reads: whole at every moment, untouched when it is right, gone without content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import accounts
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.modules.metrics_textfile import execute

NAME = "mesh_expansion.prom"


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests is root here."""
    monkeypatch.setattr(accounts, "uid_of", lambda name: os.getuid())
    monkeypatch.setattr(accounts, "gid_of", lambda name: os.getgid())
    monkeypatch.setattr(accounts, "user_of", lambda uid: "root")
    monkeypatch.setattr(accounts, "group_of", lambda gid: "root")


def run(directory: Path, content: str = "", check: bool = False, name: str = NAME) -> dict[str, Any]:
    return execute({"directory": str(directory), "name": name, "content": content}, check)


def test_the_file_is_written_once_and_removed_without_content(tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert run(tmp_path, "a 1\n", check=True)["changed"]
    assert not path.exists()
    done = run(tmp_path, "a 1\n")
    assert (done["changed"], done["path"], path.read_text()) == (True, str(path), "a 1\n")
    assert oct(path.stat().st_mode & 0o777) == "0o644"
    inode = path.stat().st_ino
    assert not run(tmp_path, "a 1\n")["changed"]
    assert path.stat().st_ino == inode
    done = run(tmp_path, "a 2\n")
    assert (done["diff"]["before"], done["diff"]["after"], path.read_text()) == ("a 1\n", "a 2\n", "a 2\n")
    # Another file took its place: at no moment there was half of one.
    assert path.stat().st_ino != inode
    assert run(tmp_path)["changed"]
    assert list(tmp_path.iterdir()) == []
    assert not run(tmp_path)["changed"]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="there is no directory .*gone. Name the one that node exporter"):
        run(tmp_path / "gone", "a 1\n")
    assert not run(tmp_path / "gone")["changed"]


@pytest.mark.parametrize("name", ["metrics.txt", "../metrics.prom"])
def test_a_name_that_the_collector_does_not_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError, match="which the collector does not read"):
        run(tmp_path, "a 1\n", name=name)
