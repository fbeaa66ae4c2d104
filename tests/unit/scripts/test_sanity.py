"""A sanity test that did not run is told from one that has nothing to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
import sanity

PASSED = "<testsuites><testsuite><testcase/></testsuite></testsuites>"
SKIPPED = "<testsuites><testsuite><testcase><skipped>No tests applicable.</skipped></testcase></testsuite></testsuites>"


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    (tmp_path / "collection").mkdir()
    (tmp_path / "collection/start.sh").touch()
    return tmp_path / "collection"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    for name, content in (("pep8", PASSED), ("import-python-3.11", PASSED), ("pslint-python-3.11", SKIPPED)):
        (tmp_path / f"results/ansible-test-sanity-{name}.xml").write_text(content)
    return tmp_path / "results"


def test_what_has_nothing_to_look_at_leaves_no_result(collection: Path, results: Path) -> None:
    assert sanity.judge(collection, results, "", ["import", "pep8", "pslint"]) == []
    assert sorted(path.name for path in results.iterdir()) == [
        "ansible-test-sanity-import-python-3.11.xml",
        "ansible-test-sanity-pep8.xml",
    ]


def test_the_same_result_is_a_failure_when_there_are_files(collection: Path, results: Path) -> None:
    (collection / "one.ps1").touch()
    (problem,) = sanity.judge(collection, results, "", ["pslint"])
    assert problem.startswith("pslint: did not run")


def test_a_skip_is_a_failure_where_files_are_always_there(collection: Path, results: Path) -> None:
    (results / "ansible-test-sanity-shellcheck.xml").write_text(SKIPPED)
    (problem,) = sanity.judge(collection, results, "", ["shellcheck"])
    assert problem.startswith("shellcheck: did not run")


def test_a_test_without_result_is_a_failure(collection: Path, results: Path) -> None:
    assert sanity.judge(collection, results, "", ["yamllint"]) == ["yamllint: did not run"]
    assert sanity.judge(collection, results, "", []) != []


def test_a_part_left_out_is_a_failure(collection: Path, results: Path) -> None:
    line = "WARNING: Skipping pylint collection version checks since no collection version was found."
    assert sanity.judge(collection, results, f"Running\n{line}\n{line}\n", ["pep8"]) == [line]
    assert sanity.judge(collection, results, "WARNING: Using locale\n", ["pep8"]) == []
