"""`make test`: every stage runs, also after a failed one;
the last line counts all test cases, skipped ones as failed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import junit

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/results"
SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Stage:
    """A make target and how long it takes on two cores with warm caches."""

    target: str
    minutes: int


STAGES = (
    Stage("lint", 3),
    Stage("sanity", 3),
    Stage("unit", 3),
    Stage("integration", 6),
    Stage("molecule", 32),
    Stage("ground", 7),
)


@contextlib.contextmanager
def caches_filling() -> Iterator[None]:
    """Compile what the lab lacks while other stages leave a core idle. A stage that comes too early waits for it; a
    build that fails is tried again, and reported, by the stage that needs it."""
    log = RESULTS.parent / "caches.log"
    log.parent.mkdir(exist_ok=True)
    with open(log, "wb") as output:
        command = ["nice", "-n", "19", "lab/lab", "build", "both"]
        builder = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    # Where the kernel schedules sessions as groups, being nice counts inside of the own session only.
    with contextlib.suppress(OSError):
        Path(f"/proc/{builder.pid}/autogroup").write_text("19", encoding="ascii")
    try:
        yield
    finally:
        if builder.poll() is None:
            os.killpg(builder.pid, signal.SIGKILL)
        builder.wait()


def run(stage: Stage) -> junit.Counts:
    """Run a stage; a stage that fails without a failed test case counts as one."""
    print(f"\n==== make {stage.target} (about {stage.minutes} min) ====", flush=True)
    shutil.rmtree(RESULTS / stage.target, ignore_errors=True)
    done = subprocess.run(
        ["make", "--no-print-directory", stage.target], cwd=ROOT, stdin=subprocess.DEVNULL, check=False
    )
    counts = junit.count(sorted((RESULTS / stage.target).glob("*.xml")))
    if counts.skipped:
        print(f"make {stage.target} skipped {counts.skipped}: a check that could not run is a failure", file=sys.stderr)
        counts = counts.strict()
    if done.returncode != 0 and counts.failed == 0:
        counts += junit.Counts(failed=1)
    if done.returncode == 0 and counts.passed == 0:
        print(f"make {stage.target} reports success but left no results", file=sys.stderr)
        counts += junit.Counts(failed=1)
    return counts


def main() -> int:
    total = junit.Counts()
    lines = []
    start = time.monotonic()
    # A lab of an earlier run has hosts that something was done to.
    for target in ("lab-down", "deps"):
        subprocess.run(["make", "--no-print-directory", target], cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
    try:
        with caches_filling():
            for stage in STAGES:
                begun = time.monotonic()
                counts = run(stage)
                total += counts
                lines.append(f"{stage.target:11} {time.monotonic() - begun:6.0f} s  {counts}")
    finally:
        subprocess.run(["make", "--no-print-directory", "lab-down"], cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    failed = junit.failures([path for stage in STAGES for path in sorted((RESULTS / stage.target).glob("*.xml"))])
    if failed:
        print("\n==== what failed ====")
        print("\n".join(failed[:SHOWN_FAILURES]))
    if len(failed) > SHOWN_FAILURES:
        print(f"… and {len(failed) - SHOWN_FAILURES} more; all are in {RESULTS.relative_to(ROOT)}/*/*.xml")
    print("\n==== summary ====")
    print("\n".join(lines))
    print(f"{'all':11} {time.monotonic() - start:6.0f} s")
    print(f"test: {total}")
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
