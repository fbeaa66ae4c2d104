"""Judge what `ansible-test sanity` did: a test that did not run is a failure, unless it has nothing to look at.

Usage: sanity.py COLLECTION RESULTS LOG TEST...
ansible-test says "No tests applicable" and succeeds both when no file is of the test's kind and when the test's
program is missing; and it only warns when it leaves out a part of a test. Results of the former are removed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

# The tests whose files a collection need not have.
OPTIONAL = {
    "empty-init": ("plugins/modules/**/__init__.py", "tests/unit/**/__init__.py"),
    "pslint": ("**/*.ps1", "**/*.psm1", "**/*.psd1"),
}
PREFIX = "ansible-test-sanity-"


def has_nothing_to_do(test: str, collection: Path) -> bool:
    patterns = OPTIONAL.get(test)
    return patterns is not None and not any(next(collection.glob(pattern), None) for pattern in patterns)


def results_of(test: str, results: Path) -> list[Path]:
    """A test that runs once per Python version leaves several files."""
    return [*results.glob(f"{PREFIX}{test}.xml"), *results.glob(f"{PREFIX}{test}-python-*.xml")]


def left_out(warnings: str) -> list[str]:
    """What ansible-test says it did not do."""
    return sorted({line for line in warnings.splitlines() if line.startswith("WARNING: Skipping")})


def judge(collection: Path, results: Path, log: str, tests: Sequence[str]) -> list[str]:
    """Why this run is no pass, beside the failures that ansible-test reports itself."""
    problems = left_out(log)
    if not tests:
        problems.append("ansible-test names no sanity test")
    for test in tests:
        files = results_of(test, results)
        if not files:
            problems.append(f"{test}: did not run")
        for file in files:
            skipped = ElementTree.parse(file).getroot().find(".//skipped")
            if skipped is None:
                continue
            if has_nothing_to_do(test, collection):
                file.unlink()
            else:
                problems.append(f"{test}: did not run, is its program installed? {skipped.text}")
    return problems


def main(arguments: Sequence[str]) -> int:
    collection, results, log, *tests = arguments
    problems = judge(Path(collection), Path(results), Path(log).read_text(encoding="utf-8"), tests)
    for problem in problems:
        print(f"sanity: {problem}", file=sys.stderr)
    print(f"sanity: {len(tests)} tests, {len(problems)} of them or of their parts did not run")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
