"""`make platforms`: which Python is taken for the newest ansible-core, and what is said when there is none."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import platforms
import pytest


def python(path: Path, status: int) -> str:
    """A program that says whether it is a Python that will do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(autouse=True)
def no_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any."""
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def test_the_newest_that_will_do_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = python(tmp_path / "pyenv/versions/3.12.1/bin/python3", 0)
    python(tmp_path / "pyenv/versions/3.13.0/bin/python3", 1)
    assert platforms.newer_python() == good
    python(tmp_path / "bin/python3.12", 0)
    assert platforms.newer_python() == "python3.12"
    monkeypatch.setenv("PYTHON", good)
    assert platforms.newer_python() == good


def test_without_any_it_says_what_is_missing() -> None:
    with pytest.raises(platforms.PlatformError, match="no Python 3.12 or later .* make platforms PYTHON=/path/python3"):
        platforms.newer_python()
    assert [(check.name, check.ok) for check in platforms.run("control")] == [("control", False)]


def test_too_old_and_absent_ones_will_not_do(tmp_path: Path) -> None:
    assert platforms.usable(sys.executable) == (sys.version_info >= platforms.NEEDED)
    assert not platforms.usable(str(tmp_path / "absent"))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(SystemExit, match="none is called ubuntu; there are control, debian-13"):
        platforms.main(["control", "ubuntu"])


def test_only_releases_that_a_run_has_shown_are_claimed(root: Path) -> None:
    """Each of them is one that `make platforms`, or any other run of the lab, takes."""
    ran = {part.variables.get("DEBIAN", "12") for parts in platforms.PLATFORMS.values() for part in parts}
    (row,) = re.findall(r"^\| managed hosts \|.*$", (root / "README.md").read_text(), re.MULTILINE)
    claimed = set(re.findall(r"Debian (\d+)", row.split("|")[3]))
    assert claimed == ran
