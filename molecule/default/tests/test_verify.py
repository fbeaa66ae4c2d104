"""verify.yml agrees: every row of R1 to R19 was checked, and holds."""

from __future__ import annotations

from pathlib import Path

import verified


def test_verify_reports_all_rows(tmp_path: Path) -> None:
    verified.all_rows(tmp_path / "verify.json")
