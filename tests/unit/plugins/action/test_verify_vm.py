# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that was seen a moment ago is not looked at again, and any other one is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SEEN = {"checks": {"files": {"problems": [], "good": "fine", "unchecked": ""}}, "identity": {}, "lookups": {}}


def looked(root: Path, place: Path, interpreter: str, **options: Any) -> dict[str, Any]:
    task = {"mesh.expansion.verify_vm": {"sidecar": {}, **options}, "register": "found", "failed_when": False}
    shown = {"ansible.builtin.copy": {"content": "{{ found | to_json }}", "dest": str(place / "found.json")}}
    own = {"vars": {"ansible_python_interpreter": sys.executable}}
    (place / "play.yml").write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task, {**shown, **own}]}])
    )
    host = {"ansible_connection": "local", "ansible_python_interpreter": interpreter}
    (place / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"web1": host}}}))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(root / "ansible.cfg"), "ANSIBLE_BECOME": "false"}
    command = ["ansible-playbook", "-i", str(place / "hosts.yml"), str(place / "play.yml")]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((place / "found.json").read_text())
    return found


def test_what_was_seen_is_taken(root: Path, tmp_path: Path) -> None:
    found = looked(root, tmp_path, "/nonexistent/python", seen=SEEN)
    assert {name: found[name] for name in SEEN} == SEEN
    assert found["changed"] is False


@pytest.mark.parametrize("options", [{}, {"seen": {}}])
def test_otherwise_the_host_is_asked(root: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    found = looked(root, tmp_path, sys.executable, **options)
    assert "checks" not in found
    assert found["msg"].startswith("Cannot check this host: sidecar: missing required arguments: vip.")
