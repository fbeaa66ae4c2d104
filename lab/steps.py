"""Numbered steps with an estimate and the time that each took."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import config


@dataclass(frozen=True)
class Step:
    title: str
    action: Callable[[], object]
    seconds: float = 0
    """About how long it takes on two idle cores; 0 when not worth saying."""


def estimate(seconds: float, last: float | None) -> str:
    """What a step took on this machine says more than what it took on ours."""
    if seconds < 1:
        return ""
    if last is not None:
        return f" ({last:.0f} s last time)"
    return f" (about {seconds:.0f} s)" if seconds < 90 else f" (about {seconds / 60:.0f} min)"


def _history_file() -> Path:
    return config.cache_dir() / "durations.json"


def _history() -> dict[str, float]:
    """Seconds by title of the steps that were worth an estimate."""
    try:
        known = json.loads(_history_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(title: str, seconds: float) -> None:
    path = _history_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")  # another build may write at this moment
    new.write_text(json.dumps(_history() | {title: round(seconds, 1)}, indent=1, sort_keys=True), encoding="utf-8")
    new.replace(path)


def run_steps(steps: Sequence[Step]) -> float:
    """Run the steps in order, one line of progress for each; returns the seconds that all took."""
    width = len(str(len(steps)))
    known = _history()
    begun = time.monotonic()
    for number, step in enumerate(steps, 1):
        sys.stderr.write(
            f"[{number:{width}}/{len(steps)}] {step.title}{estimate(step.seconds, known.get(step.title))} … "
        )
        sys.stderr.flush()
        start = time.monotonic()
        try:
            step.action()
        except BaseException:
            sys.stderr.write("failed\n")
            raise
        seconds = time.monotonic() - start
        if step.seconds:
            _remember(step.title, seconds)
        sys.stderr.write(f"{seconds:.1f} s\n")
    return time.monotonic() - begun
