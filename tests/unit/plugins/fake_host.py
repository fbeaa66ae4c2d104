# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in a directory: its bookkeeping, and programs that only note how they were called."""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import commands, footprint
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import PathState

USER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


@dataclasses.dataclass(frozen=True)
class Host:
    root: Path

    def calls(self) -> list[str]:
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def program(self, name: str, text: str = "") -> None:
        path = self.root / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.root}/calls\n{text}\n')
        path.chmod(0o755)

    def path(self, name: str) -> str:
        return str(self.root / name)

    @staticmethod
    def file(text: str, mode: str = "0644") -> PathState:
        return PathState("file", USER, GROUP, mode, text.encode())


def make_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(footprint, "ROOT", str(tmp_path / "state"))
    monkeypatch.setattr(commands, "_PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    made = Host(tmp_path)
    for name in ("systemctl", "systemd-run"):
        made.program(name)
    return made
