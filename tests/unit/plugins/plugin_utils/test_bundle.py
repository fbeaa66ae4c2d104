# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a bundle: for their owner only, and where they belong, whatever a host answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.mesh.expansion.plugins.plugin_utils import _bundle


def test_files_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / "bundle/now" / _bundle.host_folder("web1")
        _bundle.write(str(folder), {"system.txt": "a\n", "envoy-config.json": "\udcff"})
        # The same again, over what somebody has opened.
        (folder / "system.txt").chmod(0o644)
        _bundle.write(str(folder), {"system.txt": "b\n"})
    finally:
        os.umask(before)
    assert folder == tmp_path / "bundle/now/hosts/web1"
    modes = {str(path.relative_to(tmp_path)): oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*")}
    assert modes == {
        "bundle": "0o700",
        "bundle/now": "0o700",
        "bundle/now/hosts": "0o700",
        "bundle/now/hosts/web1": "0o700",
        "bundle/now/hosts/web1/system.txt": "0o600",
        "bundle/now/hosts/web1/envoy-config.json": "0o600",
    }
    assert (folder / "system.txt").read_text() == "b\n"


def test_a_directory_that_was_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    _bundle.write(str(tmp_path / "x"), {"a.txt": ""})
    assert oct(tmp_path.stat().st_mode & 0o777) == "0o755"


@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "a/b.txt", ".a.txt", "a.sh", "a.txt\n", ""])
def test_a_host_cannot_choose_another_place(name: str, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="no name of one"):
        _bundle.write(str(tmp_path / "x"), {"a.txt": "", name: "b"})
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("a")
    (tmp_path / "a.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        _bundle.write(str(tmp_path), {"a.txt": "b"})
    assert (tmp_path / "elsewhere").read_text() == "a"


@pytest.mark.parametrize(
    ("name", "folder"), [("a/../../b", "a%2F..%2F..%2Fb"), ("..", "_"), ("web1.example.com", "web1.example.com")]
)
def test_a_name_of_a_host_is_one_folder(name: str, folder: str) -> None:
    assert _bundle.host_folder(name) == f"hosts/{folder}"
