# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""build/bench.json: each part of the benchmark replaces its own rows and leaves those of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[2] / "build/bench.json"
Row = dict[str, Any]


def store(part: str, rows: list[Row], path: Path = FILE) -> None:
    """Write the rows of a part of the benchmark."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    others = [row for row in kept if row.get("part") != part]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(others + [{"part": part, **row} for row in rows], indent=2) + "\n", encoding="utf-8")
