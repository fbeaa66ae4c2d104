# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout

from tests.unit.plugins.fake_host import USER, Host, make_host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host in a directory: the sidecar's places are below it, and its account is ours."""
    made = make_host(tmp_path, monkeypatch)
    mine = (os.getuid(), os.getgid())
    monkeypatch.setattr(paths, "_ids", lambda _wanted: mine)
    monkeypatch.setattr(layout, "USER", USER)
    for name in (
        "HOME",
        "ENV_DIR",
        "CLUSTER_ENV",
        "SIDECAR_ENV",
        "CERTS",
        "PROGRAMS",
        "CACHE",
        "PACKAGE_LIST",
        "SHARED_MEMORY",
        "MESH_CONFIG",
        "MESH_CONFIG_LINKED",
        "HOSTS",
        "LOGROTATE",
    ):
        monkeypatch.setattr(layout, name, f"{tmp_path}{getattr(layout, name)}")
    monkeypatch.setattr(layout, "WANTS", f"{tmp_path}{layout.WANTS}")
    for name in ("PATHS", "TOKEN_PATHS", "IDENTITY"):
        monkeypatch.setattr(layout, name, tuple(f"{tmp_path}{path}" for path in getattr(layout, name)))
    return made
