"""Run Molecule scenarios in the lab, one after the other; names as arguments run only these.

The scenarios share one lab. Each leaves the hosts as it found them; after one that failed, the lab is started anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import junit

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build/results/molecule"
LAB = "lab/lab"
# Quick ones that need no other part first, so that a broken one shows early.
ORDER = ("preflight", "director", "dnsmasq", "istio_sidecar", "secure", "default")


def scenarios() -> list[str]:
    """All scenarios: the ordered ones, then any other."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


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


def renew_lab() -> None:
    print("molecule: starting the lab anew, the hosts are not as they were", flush=True)
    for verb in ("down", "up"):
        subprocess.run([LAB, verb], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


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
    for name in names or known:
        if checks and not checks[-1].ok:
            renew_lab()
        print(f"\n---- scenario {name} ----", flush=True)
        checks.append(run(name))
        print(f"scenario {name}: {'ok' if checks[-1].ok else 'FAILED'} after {checks[-1].seconds:.0f} s", flush=True)
        junit.write(RESULTS / "scenarios.xml", "molecule", checks)
    print()
    for check in checks:
        print(f"{'ok    ' if check.ok else 'FAILED'} {check.name:24} {check.seconds:5.0f} s")
    print(f"molecule: {junit.count(sorted(RESULTS.glob('*.xml')))}")
    return 0 if all(check.ok for check in checks) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
