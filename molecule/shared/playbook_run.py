"""ansible-playbook on the lab; the caller looks at the exit status."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from lab_state import ROOT

# Host, number of changed tasks, whether it could not be reached, number of failed tasks.
_RECAP = re.compile(r"^(\S+)\s+: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+) ", re.MULTILINE)


def run(
    *arguments: str, inventory: Path | str = "inventory/lab", seconds: float = 900, **environment: str
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            _command(inventory, arguments),
            cwd=ROOT,
            env=_environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else error.stdout or ""
        what = f"ansible-playbook {' '.join(arguments)}: no end after {seconds:.0f} s"
        raise AssertionError(f"{what}\n{said[-4000:]}") from error


def start(output: BinaryIO, *arguments: str, inventory: Path | str = "inventory/lab") -> subprocess.Popen[bytes]:
    """The same in the background, as the leader of a group of processes."""
    return subprocess.Popen(
        _command(inventory, arguments),
        cwd=ROOT,
        env=_environment({}),
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )


def _command(inventory: Path | str, arguments: Sequence[str]) -> list[str]:
    return ["ansible-playbook", "-i", str(inventory), *arguments]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **more}


def failures(output: str) -> dict[str, int]:
    """Of each host in the recap: how often it failed or could not be reached."""
    return {host: int(unreachable) + int(failed) for host, _changed, unreachable, failed in _RECAP.findall(output)}


def summary(output: str) -> str:
    """What the end of site.yml says of hosts that failed, on one line."""
    _rest, _title, said = output.partition("PLAY [Sum up]")
    return " ".join(said.partition("PLAY RECAP")[0].split())
