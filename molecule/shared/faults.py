"""Runs of a role on the spare VM that are killed after one of their operations."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import lab_state
import playbook_run
from testinfra.backend.base import CommandResult
from testinfra.host import Host

FOLDER = "/root/faults"
BACK_WITHIN = 60.0
_KILLED = 9
_UTILS = "ansible_collections/mesh/expansion/plugins/module_utils"


@dataclass(frozen=True)
class CutRuns:
    """What the role's apply module does on the host, without Ansible."""

    role: str
    host: Host

    @property
    def guard(self) -> str:
        """Where the role's guard keeps its files."""
        return f"/var/lib/mesh-expansion/{self.role}/guard"

    def converge(self) -> None:
        """What the next run of the role makes of it."""
        done = playbook_run.run(f"molecule/{self.role}/converge.yml")
        assert done.returncode == 0, done.stdout[-4000:]

    def install(self) -> None:
        """Bring the module's code to the host, and what the role would tell it."""
        (name,) = lab_state.hosts("vms_spare")
        archive = subprocess.run(
            ["tar", "--create", "--exclude=__pycache__", "-C", str(lab_state.ROOT / "plugins"), "module_utils"]
            + ["-C", str(lab_state.ROOT / "molecule/shared"), "cut_run.py"],
            check=True,
            capture_output=True,
        ).stdout
        unpack = f"mkdir -p {FOLDER}/{_UTILS} && cd {FOLDER} && tar x && rm -rf {_UTILS} && mv module_utils {_UTILS}"
        subprocess.run(lab_state.ssh(name, unpack), input=archive, check=True, timeout=60)
        written = playbook_run.run("molecule/shared/role_options.yml", "-e", f"role={self.role}")
        assert written.returncode == 0, written.stdout[-4000:]

    def remove(self) -> None:
        self.host.check_output(f"rm -r {FOLDER}")

    def run(self, mode: str, number: int = 0) -> CommandResult:
        return self.host.run(f"python3 {FOLDER}/cut_run.py {self.role} {mode} {FOLDER}/options.json {number}")

    def plan(self) -> list[str]:
        """The operations of a run now."""
        listed = self.run("list")
        assert listed.rc == 0, listed.stderr
        found: list[str] = json.loads(listed.stdout)
        return found

    def kill_after(self, number: int) -> None:
        assert self.run("join", number).rc == _KILLED

    def comes_back(self, as_before: Callable[[], bool]) -> bool:
        """Wait for the guard; whether everything was as before in time."""
        end = time.monotonic() + BACK_WITHIN
        while time.monotonic() < end:
            if self.host.run(f"test -e {self.guard}/done").rc == 0 and as_before():
                return True
            time.sleep(1)
        return False


def chosen(plan: Sequence[str], representative: str) -> list[int]:
    """After which operations a run is killed: after each, or in the short form after the one that stands for them."""
    every = os.environ.get("MESH_EXPANSION_FAULTS") == "all"
    return list(range(1, len(plan) + 1)) if every else [plan.index(representative) + 1]
