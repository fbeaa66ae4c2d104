# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What workers use is there before they are forked; what cannot be loaded is said by the task that needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.mesh.expansion.plugins.filter.mesh_hosts import mesh_hosts
from ansible_collections.mesh.expansion.plugins.plugin_utils import _warm

PROGRAM = """
import sys
from ansible_collections.mesh.expansion.plugins.filter.mesh_hosts import mesh_hosts
assert "kubernetes" not in sys.modules
assert mesh_hosts({"all": ["lvs1"], "director": ["lvs1"]}, ["director"]) == "director"
print(sorted({"kubernetes", "cryptography.x509"} & set(sys.modules)))
"""


def test_a_play_over_the_site_has_the_clients_before_its_first_task() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['cryptography.x509', 'kubernetes']\n", done.stderr


def test_a_library_that_is_missing_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def missing(name: str) -> None:
        asked.append(name)
        raise ImportError(name)

    monkeypatch.setattr(_warm.importlib, "import_module", missing)
    assert mesh_hosts({"all": ["lvs1"], "director": ["lvs1"]}, ["director"]) == "director"
    assert len(asked) == 1
