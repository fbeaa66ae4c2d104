"""Scenarios find the lab that they need, and whoever comes afterwards the usual one."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import junit
import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(name="script")
def fixture_script() -> Any:
    """By its path: the name is that of a package as well."""
    spec = importlib.util.spec_from_file_location("scripts_molecule", ROOT / "scripts/molecule.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def lab_calls(
    script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: list[str], up: Any, failing: str = ""
) -> list[str]:
    """What happens to the lab that is up, with the scenarios in between."""
    calls: list[str] = []

    def call(command: list[str], **_options: Any) -> None:
        calls.append(" ".join(command[1:]))

    def run(name: str) -> junit.Check:
        calls.append(name)
        return junit.Check(f"scenario {name}", 1.0, ok=name != failing, output="")

    monkeypatch.setattr(script, "RESULTS", tmp_path)
    monkeypatch.setattr(script, "running", lambda: up)
    monkeypatch.setattr(script, "run", run)
    monkeypatch.setattr(subprocess, "run", call)
    assert script.main(names) == (1 if failing else 0)
    return calls


def test_scenarios_with_the_usual_lab_come_first(script: Any) -> None:
    names = script.scenarios()
    assert names[-2:] == ["istiod", "pair"]
    assert {script.lab_of(name) for name in names[:-2]} == {script.USUAL}


def test_another_lab_for_those_that_need_it(script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = lab_calls(script, monkeypatch, tmp_path, ["director", "istiod", "pair"], script.USUAL)
    assert calls == [
        "director",
        *("down", "up istiod --directors 1", "istiod"),
        *("down", "up citadel --directors 2", "pair"),
        "down",
    ]


def test_a_lab_that_fits_is_kept(script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    istiod = script.Lab("istiod")
    assert lab_calls(script, monkeypatch, tmp_path, ["istiod"], istiod) == ["istiod"]
    calls = lab_calls(script, monkeypatch, tmp_path, ["director"], istiod)
    assert calls == ["down", "up citadel --directors 1", "director", "down"]


def test_after_a_scenario_that_failed_the_lab_is_new(
    script: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = lab_calls(script, monkeypatch, tmp_path, ["istiod", "istiod"], script.Lab("istiod"), failing="istiod")
    assert calls == ["istiod", "down", "up istiod --directors 1", "istiod"]
