"""Counting test cases over JUnit files of several tools."""

from __future__ import annotations

from pathlib import Path

import junit


def test_written_checks_are_counted(tmp_path: Path) -> None:
    checks = [junit.Check("one", 1.0, ok=True), junit.Check("two", 2.0, ok=False, output="bad \x1b[31mcolour\x00")]
    junit.write(tmp_path / "results/lint.xml", "lint", checks)
    assert junit.count([tmp_path / "results/lint.xml"]) == junit.Counts(passed=1, failed=1)


def test_errors_count_as_failures_and_skips_apart(tmp_path: Path) -> None:
    path = tmp_path / "results.xml"
    path.write_text(
        "<testsuites><testsuite><testcase/><testcase><error/></testcase>"
        "<testcase><skipped/></testcase></testsuite></testsuites>"
    )
    counts = junit.count([path, path])
    assert counts == junit.Counts(passed=2, failed=2, skipped=2)
    assert str(counts) == "2 passed, 2 failed, 2 skipped"
    assert str(counts.strict()) == "2 passed, 4 failed"


def test_no_files_are_no_cases() -> None:
    assert str(junit.count([])) == "0 passed, 0 failed"
