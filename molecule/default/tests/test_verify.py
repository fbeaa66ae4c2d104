"""verify.yml agrees: every row of R1 to R19 was checked, and holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess


def test_verify_reports_all_rows(playbook: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    report = tmp_path / "verify.json"
    done = playbook("playbooks/verify.yml", "-e", f"verify_report={report}")
    assert done.returncode == 0, done.stdout[-4000:]
    rows = json.loads(report.read_text())
    assert {row["row"] for row in rows} == {f"R{number}" for number in range(1, 20)}
    assert [row for row in rows if not row["ok"]] == []
