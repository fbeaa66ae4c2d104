# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that goes on asking notices nothing of changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.ipvs import director


@pytest.mark.skipif(not director.is_up(), reason="the lab is not up: lab/lab up")
def test_no_request_fails_while_the_table_changes(capsys: pytest.CaptureFixture[str]) -> None:
    with director.directory(Path(__file__).with_name("traffic.py")) as folder:
        result = json.loads(director.text([*director.NAMESPACE, "python3", "-B", f"{folder}/traffic.py", folder]))
    requests = sum(result["answers"].values())
    with capsys.disabled():
        print(
            f"\n{requests} requests, {len(result['failures'])} failed, while {sum(map(len, result['steps']))} "
            "operations changed the table"
        )
    assert result["failures"] == []
    assert requests > 500
    assert set(result["answers"]) == {"one", "two", "three"}
    drained, removed, back, *rest = result["steps"]
    assert drained == ["-e -t 10.9.0.100:80 -r 10.9.0.11:80 -g -w 0"]
    assert removed == ["-d -t 10.9.0.100:80 -r 10.9.0.11:80"]
    assert back == ["-a -t 10.9.0.100:80 -r 10.9.0.11:80 -g -w 1"]
    assert all(rest)
