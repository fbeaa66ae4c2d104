"""Supervision of real processes (no privileges needed)."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import config, proc
from lab.errors import LabError


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield
    for file in config.run_dir().glob("*.pid"):
        proc.stop(file.stem, timeout=0)


def test_start_is_idempotent_and_stop_ends_it() -> None:
    pid = proc.start("sleeper", ["sleep", "60"])
    assert proc.start("sleeper", ["sleep", "60"]) == pid
    assert proc.alive("sleeper")
    # The kernel shows it a moment after the program was started.
    environ = proc.wait_for(
        "environment", lambda: Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")[:-1], timeout=5
    )
    assert f"{proc.MARKER}=1".encode() in environ
    proc.stop("sleeper")
    assert not proc.alive("sleeper")
    assert not proc.pid_file("sleeper").exists()


def test_stop_takes_the_whole_group() -> None:
    proc.start("parent", ["sh", "-c", "sleep 60 & echo $!; wait"])
    child = int(proc.wait_for("the child", lambda: proc.tail("parent").strip(), 5))
    proc.stop("parent")

    def gone() -> bool:
        status = Path(f"/proc/{child}/stat")
        return not status.exists() or " Z " in status.read_text(encoding="utf-8")

    assert proc.wait_for("the child's end", gone, 5)


def test_stubborn_process_is_killed() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    proc.start("stubborn", [sys.executable, "-c", code])
    proc.wait_for("it ignores the signal", lambda: "ready" in proc.tail("stubborn"), 5)
    begun = time.monotonic()
    proc.stop("stubborn", timeout=0.3, number=signal.SIGTERM)
    assert not proc.alive("stubborn")
    assert time.monotonic() - begun < 5


def test_reused_process_id_is_not_taken_for_ours() -> None:
    config.run_dir().mkdir(parents=True)
    proc.pid_file("other").write_text("1 123456789\n", encoding="utf-8")
    assert not proc.alive("other")
    proc.stop("other")
    assert Path("/proc/1").exists()


def test_run_reports_command_status_and_words() -> None:
    with pytest.raises(LabError, match=r"sh -c .*: exit status 3: wrong thing"):
        proc.run(["sh", "-c", "echo wrong thing >&2; exit 3"])
    with pytest.raises(LabError, match="not finished after 0 s"):
        proc.run(["sleep", "5"], timeout=0.1)
    with pytest.raises(LabError, match="lab/lab deps"):
        proc.run(["no-such-program-here"])
    assert proc.run(["cat"], input="text").stdout == "text"


def test_wait_for_names_the_last_problem() -> None:
    def check() -> bool:
        raise LabError("not yet")

    with pytest.raises(LabError, match="the thing: not so after 0 s: not yet"):
        proc.wait_for("the thing", check, 0.05, interval=0.01)


def test_wait_for_ends_when_hope_is_gone() -> None:
    def check() -> bool:
        raise proc.GivenUp("it died")

    begun = time.monotonic()
    with pytest.raises(LabError, match="it died"):
        proc.wait_for("the thing", check, 30)
    assert time.monotonic() - begun < 5


def test_namespace_is_entered_before_the_command() -> None:
    assert proc.in_netns(["ip", "link"], "mesh-lab") == ["nsenter", "--net=/run/netns/mesh-lab", "--", "ip", "link"]
    assert proc.in_netns(["ip", "link"], None) == ["ip", "link"]
