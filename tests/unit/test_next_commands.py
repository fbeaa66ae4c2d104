"""Commands that a run prints are right for a checkout and for an installed collection: both know the full names."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

COMMAND = re.compile(r"ansible-playbook\s+(?=[\w./{<])(\S+)")
SUFFIXES = (".py", ".yml", ".j2")


def named(root: Path) -> list[tuple[str, str]]:
    """What follows `ansible-playbook` in what ships, with its file; comments are for whoever reads the code."""
    found = []
    for folder in ("playbooks", "plugins", "roles"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES:
                lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
                text = re.sub(r"\s+", " ", " ".join(lines))
                found += [(str(path.relative_to(root)), name) for name in COMMAND.findall(text)]
    return found


def test_they_name_playbooks_of_the_collection(root: Path) -> None:
    playbooks = "|".join(path.stem for path in (root / "playbooks").glob("*.yml"))
    # A command that is put together has the name apart: checks/audit.py.
    good = re.compile(rf"mesh\.expansion\.(?:(?:{playbooks})\b(?!\.yml)|\"$)")
    found = named(root)
    assert len(found) > 10
    assert [(file, name) for file, name in found if not good.match(name)] == []


def test_a_checkout_knows_the_names(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make collection` has linked it to where ansible.cfg looks."""
    monkeypatch.setenv("ANSIBLE_CONFIG", str(root / "ansible.cfg"))
    command = ["ansible-playbook", "--syntax-check", "-i", "inventory/example", "mesh.expansion.verify"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
