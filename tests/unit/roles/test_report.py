# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's last step, with what the others have registered: two files; changed when more than the time is new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.plugins.seen_site import Site


def test_it_writes_both_files_and_is_changed_when_something_is(root: Path, tmp_path: Path) -> None:
    site = Site()
    looks = site.looks()
    given = {
        "__verify_rows": site.rows(),
        "__verify_seen": {"directors": looks.directors, "vms": looks.vms},
        "__verify_cluster": looks.cluster,
        "__report_facts_of": looks.facts,
        "__report_envoys": looks.envoys,
        "__report_api": looks.api,
        "report_site": site.site,
        "report_path": "here.html",
        "verify_expiry_days": 30,
    }
    write = {"ansible.builtin.include_role": {"name": "mesh.expansion.report", "tasks_from": "write.yml"}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [write, write]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    (tmp_path / "given.json").write_text(json.dumps(given))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", "-e", "@given.json"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(root / "build/collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.glob("here.*")) == ["here.html", "here.json"]
    assert (tmp_path / "here.html").read_text().startswith("<!DOCTYPE html>")
    # The first of the two times.
    assert "changed=1 " in done.stdout
    assert f"The report is in {tmp_path}/here.html" in done.stdout
