"""`make test`: every stage runs, also after a failed one;
the last line counts all test cases, skipped ones as failed.

What needs no lab runs beside what does, which waits more than it computes; its output is shown when it is done.
`python scripts/test.py lint unit` runs these stages only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
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

    @property
    def results(self) -> Path:
        return RESULTS / self.target

    @property
    def files(self) -> list[Path]:
        return sorted(self.results.glob("*.xml"))

    @property
    def seconds(self) -> Path:
        return self.results / "seconds"


ASIDE = (Stage("lint", 3), Stage("sanity", 3), Stage("unit", 4))
# The importer gives ansible-lint three minutes, and may not be kept waiting.
AHEAD = (Stage("importer", 1), Stage("integration", 8), Stage("molecule", 40), Stage("ground", 7))
STAGES = (*AHEAD, *ASIDE)


@contextlib.contextmanager
def behind(command: Sequence[str], log: Path, nice: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that takes what others leave of the machine; its output goes to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            ["nice", "-n", str(nice), *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    # Where the kernel schedules sessions as groups, being nice counts inside of the own session only.
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(nice), encoding="ascii")
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def caches_filling() -> Iterator[None]:
    """Compile what the lab lacks. A stage that comes too early waits for it; a build that fails is tried again, and
    reported, by the stage that needs it."""
    with behind(["lab/lab", "build", "both"], RESULTS.parent / "caches.log", nice=10):
        yield


def make(target: str) -> int:
    command = ["make", "--no-print-directory", target]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False).returncode


def run(stage: Stage) -> None:
    """Run a stage; one that fails without a failed test case, or that ends well without any, counts as one."""
    print(f"\n==== make {stage.target} (about {stage.minutes} min) ====", flush=True)
    shutil.rmtree(stage.results, ignore_errors=True)
    stage.results.mkdir(parents=True)
    start = time.monotonic()
    status = make(stage.target)
    seconds = time.monotonic() - start
    counts = junit.count(stage.files)
    if (status != 0 and counts.failed == 0) or counts.passed + counts.failed == 0:
        said = f"exit status {status}, {counts}; what it printed says why"
        junit.write(
            stage.results / "stage.xml", stage.target, [junit.Check("the stage", seconds, ok=False, output=said)]
        )
    stage.seconds.write_text(f"{seconds:.0f}", encoding="ascii")


def result(stage: Stage) -> junit.Counts:
    """What a stage left."""
    counts = junit.count(stage.files)
    if counts.skipped:
        print(f"make {stage.target} skipped {counts.skipped}: a check that could not run is a failure", file=sys.stderr)
    return counts.strict() if stage.seconds.exists() else junit.Counts(failed=1)


def summary(stages: Sequence[Stage], seconds: float) -> int:
    """Say what failed and how long it took; the exit status."""
    total = junit.Counts()
    lines = []
    for stage in stages:
        counts = result(stage)
        total += counts
        took = stage.seconds.read_text(encoding="ascii") if stage.seconds.exists() else "?"
        lines.append(f"{stage.target:11} {took:>6} s  {counts}")
    failed = junit.failures([path for stage in stages for path in stage.files])
    if failed:
        print("\n==== what failed ====")
        print("\n".join(failed[:SHOWN_FAILURES]))
    if len(failed) > SHOWN_FAILURES:
        print(f"… and {len(failed) - SHOWN_FAILURES} more; all are in {RESULTS.relative_to(ROOT)}/*/*.xml")
    print("\n==== summary ====")
    print("\n".join(lines))
    print(f"{'all':11} {seconds:6.0f} s")
    print(f"test: {total}")
    return 1 if total.failed else 0


def everything() -> None:
    """Both halves, side by side."""
    # A lab of an earlier run has hosts that something was done to.
    for target in ("lab-down", "deps"):
        if make(target) != 0:
            sys.exit(f"make {target} failed, so nothing was tested")
    shutil.rmtree(RESULTS, ignore_errors=True)
    log = RESULTS.parent / "aside.log"
    names = [stage.target for stage in ASIDE]
    print(f"{', '.join(names)} run beside the others; their output until then: {log.relative_to(ROOT)}", flush=True)
    try:
        with caches_filling(), behind([sys.executable, __file__, *names], log, nice=15) as aside:
            shown = False
            for stage in AHEAD:
                run(stage)
                if not shown and aside.poll() is not None:
                    shown = show(log)
            aside.wait()
            if not shown:
                show(log)
    finally:
        make("lab-down")


def show(log: Path) -> bool:
    sys.stdout.flush()
    sys.stdout.buffer.write(log.read_bytes())
    sys.stdout.flush()
    return True


def main() -> int:
    start = time.monotonic()
    names = sys.argv[1:]
    if unknown := set(names) - {stage.target for stage in STAGES}:
        sys.exit(f"no stage: {', '.join(sorted(unknown))}. Choose of {', '.join(stage.target for stage in STAGES)}")
    chosen = [stage for stage in STAGES if stage.target in names]
    for stage in chosen:
        run(stage)
    if not chosen:
        everything()
    return summary(chosen or STAGES, time.monotonic() - start)


if __name__ == "__main__":
    sys.exit(main())
