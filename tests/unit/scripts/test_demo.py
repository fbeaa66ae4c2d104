"""The demonstration's summary tells the truth: what was not checked does not hold."""

from __future__ import annotations

import json
from pathlib import Path

import demo
import pytest

ROWS = {"R1": ("Pilot is exposed", "Service compared"), "R2": ("DNS is exposed", "Service compared")}


def result(row: str, ok: bool, host: str = "director") -> dict[str, object]:
    state = "ok" if ok else "FAILED"
    return {"row": row, "what": "", "check": "", "state": state, "ok": ok, "detail": "the detail", "host": host}


def holds(results: list[dict[str, object]]) -> dict[str, bool]:
    return {row["row"]: row["ok"] for row in demo.summarise(ROWS, results)}


def test_a_row_holds_when_all_its_checks_hold() -> None:
    assert holds([result("R1", True), result("R1", True, "other"), result("R2", True)]) == {"R1": True, "R2": True}


def test_one_failed_check_fails_the_row() -> None:
    assert holds([result("R1", True), result("R1", False, "other"), result("R2", True)]) == {"R1": False, "R2": True}


def test_a_row_that_nobody_checked_does_not_hold() -> None:
    assert holds([result("R1", True)]) == {"R1": True, "R2": False}


def test_problems_name_host_and_detail() -> None:
    (first, _second) = demo.summarise(ROWS, [result("R1", False, "vm1")])
    assert first["problems"] == ["vm1: the detail"]


@pytest.mark.parametrize(("failing", "status"), [([], 0), (["R7"], 1)])
def test_exit_status_and_file(
    tmp_path: Path, failing: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    report, page, output = (tmp_path / name for name in ("verify.json", "page.html", "demo.json"))
    report.write_text(json.dumps([result(row, row not in failing) for row in demo.rows_of(demo.used())]))
    page.write_text(
        "HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n<html><head><title>x</title></head><body><h1>Welcome "
        "to nginx!</h1></body></html>"
    )
    assert demo.main([str(report), str(page), str(output)]) == status
    written = json.loads(output.read_text())
    assert [row["row"] for row in written] == [f"R{number}" for number in range(1, 20)]
    assert all(set(row) == {"row", "what", "check", "ok"} for row in written)
    assert [row["row"] for row in written if not row["ok"]] == failing
    assert "Welcome to nginx!" in capsys.readouterr().out


def test_without_a_report_nothing_holds(tmp_path: Path) -> None:
    assert demo.main([str(tmp_path / "none.json"), str(tmp_path / "none.html"), str(tmp_path / "demo.json")]) == 1
    assert not any(row["ok"] for row in json.loads((tmp_path / "demo.json").read_text()))
