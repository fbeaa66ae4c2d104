# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that says what changes on hosts names every path that the roles write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import layout as director
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files as dns
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server import model as real_server
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout as sidecar

PAGE = (Path(__file__).resolve().parents[2] / "docs/hosts.md").read_text()
NAMED = set(re.findall(r"`(/[^`]+)`", PAGE))
# What is below a path that is named, what the proxy makes by itself, and what an earlier release left.
UNNAMED = {
    sidecar.SECRETS,
    sidecar.SHARED_MEMORY,
    director.OLD_FOOTPRINT,
    f"{sidecar.SECRETS}/workload-spiffe-uds",
}


@pytest.mark.parametrize(
    "path",
    sorted(
        {
            *dns.FILES,
            *sidecar.PATHS,
            *sidecar.TOKEN_PATHS,
            *director.FILES,
            director.PACKAGE,
            director.KEEPALIVED_CONF,
            director.IPVSADM,
            real_server.SYSCTLS,
        }
        - UNNAMED
    ),
)
def test_a_path_that_is_written_is_named(path: str) -> None:
    assert any(name == path or name.startswith(f"{path}/") for name in NAMED)
