# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that action plugins run on a VM, as they run it."""

from __future__ import annotations

import inspect
import json
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.plugin_utils import _delivery, _stdin_writer

from tests.unit.plugins.ansible_site import ME, MY_GROUP

OWN = {"owner": ME, "group": MY_GROUP}


def run(**document: t.Any) -> subprocess.CompletedProcess[str]:
    whole = {"directories": [], "files": [], **document}
    return subprocess.run(
        [sys.executable, "-c", inspect.getsource(_stdin_writer)],
        input=json.dumps(whole), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_directories_files_and_removals(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    (tmp_path / "kept").write_text("y")
    done = run(
        directories=[{"path": str(tmp_path / "a/b"), "mode": "0700", **OWN}],
        files=[
            {"path": str(tmp_path / "a/b/new"), "mode": "0600", "content": "s3cret", **OWN},
            {"path": str(tmp_path / "kept"), "mode": "0640", **OWN},
        ],
        remove=[str(tmp_path / "old"), str(tmp_path / "never")],
    )
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stdout
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o755, "b": 0o700, "new": 0o600, "kept": 0o640}
    assert ((tmp_path / "a/b/new").read_text(), (tmp_path / "kept").read_text()) == ("s3cret", "y")


def test_a_file_that_cannot_be_staged_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("before")
    done = run(
        files=[
            {"path": str(tmp_path / "first"), "mode": "0600", "content": "s3cret", **OWN},
            {"path": str(tmp_path / "nowhere/second"), "mode": "0600", "content": "s3cret", **OWN},
        ]
    )
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("first", "before")]


def test_a_missing_account_is_found_before_anything_is_touched(tmp_path: Path) -> None:
    done = run(
        directories=[{"path": str(tmp_path / "a"), **OWN}],
        files=[{"path": str(tmp_path / "a/f"), "owner": "nobody-of-that-name", "group": "x", "content": "s3cret"}],
    )
    assert done.returncode == 1
    assert "nobody-of-that-name" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"), [(" wrong\n", "wrong"), ("echo s3cret", "(left out: it holds a secret)"), ("", "")]
)
def test_texts_that_hold_a_secret_are_left_out(text: str, shown: str) -> None:
    assert _delivery.scrub(text, ["-----BEGIN KEY-----\ns3cret\n-----END KEY-----\n", ""]) == shown
