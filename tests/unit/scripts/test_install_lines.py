"""README.md's installation, as `make bare TARGETS=install` runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import install_lines
import pytest


@pytest.fixture(name="readme")
def fixture_readme(root: Path) -> str:
    return (root / "README.md").read_text()


def test_the_order_of_a_clean_debian(readme: str) -> None:
    """Root for the first line alone; pip only in an environment of its own; what is installed there does the rest."""
    lines = install_lines.typed(readme)
    wanted = [
        "sudo apt-get ",
        "git clone ",
        "python3 -m venv ",
        "pip install ",
        "ansible-galaxy ",
        "cp ",
        "ansible-playbook ",
    ]
    assert [next(start for start in wanted if line.startswith(start)) for line in lines] == wanted


def test_the_lines_run_as_they_stand(readme: str) -> None:
    made = install_lines.script(readme, "/srv/x", "other")
    *install, preflight = install_lines.typed(readme)
    for line in install[1:]:
        assert f"\n{line}\n" in made
    assert "sudo" not in made.replace(install[0], "")
    assert made.count(install_lines.FOUND) == 2
    assert f"if {preflight.replace('my-site', 'other')} >said" in made
    subprocess.run(["bash", "-n", "-c", made], check=True)
