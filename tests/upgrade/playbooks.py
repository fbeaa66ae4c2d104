"""Playbooks of this checkout, and of the release in tests/upgrade, on the lab that is up."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import lab_state

from tests.upgrade import release

ROOT = lab_state.ROOT
UNPACKED = ROOT / "build/upgrade/release"
LOGS = ROOT / "build/upgrade"
TIMEOUT = 1800
RECAP = re.compile(r"^(\S+)\s+: ok=\d+ +changed=(\d+) ", re.MULTILINE)


class PlaybookError(Exception):
    """A playbook failed; its output is in a file."""


def run(log: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run ansible-playbook inside the lab's network, keep what it prints, and raise when it fails."""
    path = LOGS / f"{log}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **(environment or {})}
    with path.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory/lab", *arguments],
            cwd=ROOT,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            check=False,
        )
    printed = path.read_text(encoding="utf-8")
    if done.returncode != 0:
        what = f"{' '.join(arguments)} ended with status {done.returncode}"
        raise PlaybookError(f"{what}; {path} ends:\n{printed[-3000:]}")
    return printed


def release_site() -> str:
    """Join with the release. Its own verification is not asked for: what it left is compared with the record."""
    folder: Path = release.unpack(UNPACKED)
    return run("release-site", "mesh.expansion.site", "--skip-tags", "verify", environment=release.environment(folder))


def site(log: str) -> str:
    """site.yml of this checkout, which verifies at its end."""
    return run(log, "site.yml")


def leave_and_teardown(log: str) -> str:
    return run(log, "molecule/shared/leave_and_teardown.yml")


def changed(output: str) -> dict[str, int]:
    """Number of changed tasks by host, of the last recap."""
    return {host: int(count) for host, count in RECAP.findall(output)}
