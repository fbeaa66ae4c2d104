"""Run Molecule scenarios in the lab, one after the other; names as arguments run only these.

The scenarios share one lab. Each leaves the hosts as it found them; after one that failed, the lab is started anew, and
so it is for one that needs another control plane.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import junit

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/results/molecule"
LAB = "lab/lab"
# Quick ones that need no other part first, so that a broken one shows early.
ORDER = ("preflight", "director", "dnsmasq", "istio_sidecar", "secure", "default")


class Lab(NamedTuple):
    """What a scenario asks of the lab: the control plane, and how many directors."""

    generation: str = "citadel"
    directors: int = 1

    def __str__(self) -> str:
        return f"{self.generation} with {self.directors} director{'s' if self.directors > 1 else ''}"


USUAL = Lab()
# Scenarios that need another lab than the usual one; they come last.
LABS = {"istiod": Lab("istiod"), "pair": Lab(directors=2)}


def scenarios() -> list[str]:
    """All scenarios: the ordered ones, then any other, and at last those that need another lab."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    rest = sorted(found - set(ORDER), key=lambda name: (lab_of(name) != USUAL, name))
    return [name for name in ORDER if name in found] + rest


def lab_of(name: str) -> Lab:
    return LABS.get(name, USUAL)


def running() -> Lab:
    """The lab that is up."""
    status = subprocess.run([LAB, "status"], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    shape = json.loads(status.stdout)["shape"]
    return Lab(str(shape["generation"]), int(shape["directors"]))


def run(name: str) -> junit.Check:
    """Run one scenario inside the lab."""
    start = time.monotonic()
    environment = os.environ | {
        "MOLECULE_COMMAND_BORDERS": "false",
        "ANSIBLE_FORCE_COLOR": "0",
        "NO_COLOR": "1",
        # molecule/conftest.py writes a JUnit file there per verify step.
        "MESH_EXPANSION_RESULTS": str(RESULTS),
    }
    done = subprocess.run(
        [LAB, "run", "molecule", "test", "--scenario-name", name],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return junit.Check(
        f"scenario {name}", time.monotonic() - start, ok=done.returncode == 0, output=f"exit status {done.returncode}"
    )


def renew_lab(wanted: Lab, why: str) -> None:
    print(f"molecule: starting the lab anew, {why}", flush=True)
    for arguments in (["down"], ["up", wanted.generation, "--directors", str(wanted.directors)]):
        subprocess.run([LAB, *arguments], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def main(names: list[str]) -> int:
    known = scenarios()
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"molecule: no scenario named {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    for path in RESULTS.glob("*.xml"):
        path.unlink()
    checks: list[junit.Check] = []
    first = now = running()
    for name in names or known:
        if lab_of(name) != now:
            now = lab_of(name)
            renew_lab(now, f"{name} needs {now}")
        elif checks and not checks[-1].ok:
            renew_lab(now, "the hosts are not as they were")
        print(f"\n---- scenario {name} ----", flush=True)
        checks.append(run(name))
        print(f"scenario {name}: {'ok' if checks[-1].ok else 'FAILED'} after {checks[-1].seconds:.0f} s", flush=True)
        junit.write(RESULTS / "scenarios.xml", "molecule", checks)
    if now != first:
        # Whoever needs a lab next gets the usual one.
        subprocess.run([LAB, "down"], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    print()
    for check in checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name:24} {check.seconds:5.0f} s")
    print(f"molecule: {junit.count(sorted(RESULTS.glob('*.xml')))}")
    return 0 if all(check.ok for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
