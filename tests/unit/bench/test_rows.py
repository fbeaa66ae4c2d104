"""Parts of the benchmark share one file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench import rows


def test_a_part_replaces_its_own_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "build/bench.json"
    rows.store("ipvs", [{"case": "load"}], path)
    rows.store("onboarding", [{"case": "old"}, {"case": "older"}], path)
    rows.store("onboarding", [{"case": "new"}], path)
    assert json.loads(path.read_text()) == [{"part": "ipvs", "case": "load"}, {"part": "onboarding", "case": "new"}]
