# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook report on a site that is well, and on one whose director is dead."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lab_state
import playbook_run
import pytest
from browser import Page

PLAYBOOK = "playbooks/report.yml"
# As the lab has it; the inventory has another name.
DIRECTOR = "director"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a site that is joined, with its reports."""
    done = playbook_run.run("site.yml")
    assert done.returncode == 0, done.stdout[-4000:]
    return tmp_path_factory.mktemp("report")


@pytest.fixture
def dead() -> Iterator[str]:
    lab("exec", DIRECTOR, "systemctl poweroff")
    try:
        (name,) = lab_state.hosts("director")
        yield name
    finally:
        assert lab("up", seconds=300).returncode == 0


def lab(*arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["lab/lab", *arguments], cwd=lab_state.ROOT, capture_output=True, text=True, timeout=seconds, check=False
    )


def report(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """What the run said, and the document."""
    done = playbook_run.run(PLAYBOOK, "-e", f"mesh_report_path={folder}/mesh.html", *arguments)
    assert set(playbook_run.failures(done.stdout).values()) <= {0}, done.stdout[-4000:]
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout, json.loads((folder / "mesh.json").read_text())


def bad(document: dict[str, Any]) -> set[str]:
    edges = {f"{one['source']} {one['target']}" for one in document["edges"] if one["state"] == "FAILED"}
    return edges | {host["name"] for host in document["hosts"] if host["state"] == "FAILED"}


def test_a_site_that_is_well(folder: Path) -> None:
    said, document = report(folder)
    assert bad(document) == set()
    assert {row["state"] for row in document["rows"]} <= {"ok", "warning"}
    assert all(host["versions"]["kernel"] for host in document["hosts"])
    assert document["cluster"]["versions"]["Kubernetes"].startswith("v1.")
    said, again = report(folder)
    assert again["changes"]["items"] == []
    assert "changed=0" in said
    assert "changed=1" not in said
    html = (folder / "mesh.html").read_text()
    assert "PRIVATE KEY" not in html
    assert "eyJ" not in html


def test_a_director_that_is_dead(folder: Path, dead: str, page: Page, pictures: Path) -> None:
    said, document = report(folder)
    assert dead in bad(document)
    assert document["vip"]["state"] == "FAILED"
    assert ["worse", f"{dead} is not reached any more"] in document["changes"]["items"]
    # The VMs have all their rows.
    vms = [host["name"] for host in document["hosts"] if host["role"] == "vm" and host["reached"]]
    assert {row["host"] for row in document["rows"]} >= {*vms, dead}
    assert f"ansible {dead} -m ansible.builtin.ping" in said
    for width, name in ((1200, "dead-director"), (360, "dead-director-telephone")):
        page.open(folder / "mesh.html", width)
        page.screenshot(pictures / f"{name}.png")
    shutil.copy(folder / "mesh.html", pictures / "dead-director.html")


def test_a_part_of_the_site(folder: Path) -> None:
    vm = lab_state.hosts("vms")[0]
    dummy, document = report(folder, "-l", vm)
    assert {host["name"] for host in document["hosts"] if host["reached"]} == {vm}
    assert "1 of" in (folder / "mesh.html").read_text()
