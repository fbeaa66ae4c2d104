"""Results of checks that are not pytest runs, written as JUnit files so that one summary can count everything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

MESSAGE_LENGTH = 500


@dataclass(frozen=True)
class Check:
    """One check that ran: its output matters only when it failed."""

    name: str
    seconds: float
    ok: bool
    output: str = ""


@dataclass(frozen=True)
class Counts:
    """Numbers of test cases by outcome."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def strict(self) -> Counts:
        """A check that could not run is a failure."""
        return Counts(self.passed, self.failed + self.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def write(path: Path, suite: str, checks: list[Check]) -> None:
    """Write checks as a JUnit file."""
    root = ElementTree.Element("testsuite", name=suite, tests=str(len(checks)))
    for check in checks:
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=check.name, time=f"{check.seconds:.1f}")
        if not check.ok:
            ElementTree.SubElement(case, "failure", message=f"{check.name} failed").text = _printable(check.output)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def count(paths: list[Path]) -> Counts:
    """Count the test cases of JUnit files."""
    total = Counts()
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                total += Counts(failed=1)
            elif case.find("skipped") is not None:
                total += Counts(skipped=1)
            else:
                total += Counts(passed=1)
    return total


def failures(paths: list[Path]) -> list[str]:
    """A line for each test case that failed: its name and the start of what it said."""
    lines = []
    for path in paths:
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            for outcome in (*case.iter("failure"), *case.iter("error")):
                said = " ".join((outcome.get("message") or "").split())
                lines.append(f"{case.get('classname')}::{case.get('name')}: {said[:MESSAGE_LENGTH]}")
    return lines


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")
