"""Numbered steps with an estimate and the time that each took."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    title: str
    action: Callable[[], object]
    seconds: float = 0
    """About how long it takes; 0 when not worth saying."""


def estimate(seconds: float) -> str:
    if seconds < 1:
        return ""
    return f" (about {seconds:.0f} s)" if seconds < 90 else f" (about {seconds / 60:.0f} min)"


def run_steps(steps: Sequence[Step]) -> float:
    """Run the steps in order, one line of progress for each; returns the seconds that all took."""
    width = len(str(len(steps)))
    begun = time.monotonic()
    for number, step in enumerate(steps, 1):
        sys.stderr.write(f"[{number:{width}}/{len(steps)}] {step.title}{estimate(step.seconds)} … ")
        sys.stderr.flush()
        start = time.monotonic()
        try:
            step.action()
        except BaseException:
            sys.stderr.write("failed\n")
            raise
        sys.stderr.write(f"{time.monotonic() - start:.1f} s\n")
    return time.monotonic() - begun
