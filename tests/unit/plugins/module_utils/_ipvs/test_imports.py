# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the package stand one above the other; what is for the type checker alone does not count."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[5] / "plugins/module_utils/_ipvs"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found


def test_no_file_imports_one_above_it() -> None:
    order = list(
        graphlib.TopologicalSorter({path.stem: imported(path) for path in PACKAGE.glob("*.py")}).static_order()
    )
    assert order.index("model") < order.index("wanted") < order.index("plan")
    assert order.index("wanted") < order.index("options") < order.index("drain")
