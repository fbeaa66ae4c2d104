# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a failure of `make test`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def program(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """scripts/test.py with results of its own."""
    monkeypatch.syspath_prepend(str(root / "scripts"))
    spec = importlib.util.spec_from_file_location("make_test", root / "scripts/test.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    # Data classes look for their module there.
    monkeypatch.setitem(sys.modules, "make_test", module)
    spec.loader.exec_module(module)
    module.RESULTS = tmp_path
    return module


CASE = "<testsuite><testcase classname='c' name='n'>{}</testcase></testsuite>"


@pytest.mark.parametrize(
    ("status", "left", "passed", "failed"),
    [
        pytest.param(0, CASE.format(""), 1, 0, id="passed"),
        pytest.param(2, CASE.format("<failure message='why'/>"), 0, 1, id="failed"),
        pytest.param(2, CASE.format(""), 1, 1, id="failed-without-a-case"),
        pytest.param(0, CASE.format("<skipped/>"), 0, 2, id="only-skipped"),
        pytest.param(0, "", 0, 1, id="nothing-ran"),
    ],
)
def test_a_stage(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch, status: int, left: str, passed: int, failed: int
) -> None:
    stage = program.Stage("unit", 1)

    def make(target: str) -> int:
        if left:
            (program.RESULTS / target / "unit.xml").write_text(left)
        return status

    monkeypatch.setattr(program, "make", make)
    program.run(stage)
    counts = program.result(stage)
    assert (counts.passed, counts.failed) == (passed, failed)


def test_a_stage_that_never_ran_has_failed(program: ModuleType) -> None:
    assert program.result(program.Stage("lint", 1)).failed == 1


def test_the_end_names_what_failed(program: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    stage = program.Stage("unit", 1)
    stage.results.mkdir()
    (stage.results / "unit.xml").write_text(CASE.format("<failure message='the reason'/>"))
    stage.seconds.write_text("12")
    assert program.summary([stage], 12.3) == 1
    said = capsys.readouterr().out
    assert "c::n: the reason" in said
    assert said.endswith("test: 0 passed, 1 failed\n")


def test_an_unknown_stage_is_refused(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["test.py", "units"])
    with pytest.raises(SystemExit, match="no stage: units. Choose of importer"):
        program.main()
