"""Whether verify.yml finds that every row holds."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import playbook_run

ROWS = {f"R{number}" for number in range(1, 20)}
ISTIOD = {f"I{number}" for number in range(1, 16)}


def require(report: Path, without: Collection[str] = (), rows: Collection[str] = ROWS) -> None:
    """All rows but those are there, and hold, in what verify.yml has written."""
    found = json.loads(report.read_text())
    assert {row["row"] for row in found} == set(rows) - set(without)
    assert [row for row in found if not row["ok"]] == []


def all_rows(report: Path, *arguments: str, rows: Collection[str] = ROWS) -> None:
    """The same of a run of verify.yml now."""
    done = playbook_run.run("playbooks/verify.yml", "-e", f"verify_report={report}", *arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    require(report, rows=rows)
