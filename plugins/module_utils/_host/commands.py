# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host. Private to the collection."""

from __future__ import annotations

import os
import subprocess
import typing as t

from .errors import HostError

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 60


class Result(t.NamedTuple):
    rc: int
    stdout: str
    stderr: str


def run(argv: t.Sequence[str], stdin: str | None = None, seconds: float = SECONDS) -> Result:
    """Run a program to its end, whatever that is."""
    environment = {**os.environ, **_ENVIRONMENT, "PATH": _PATH}
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return Result(127, "", f"{argv[0]} is not installed")
    except subprocess.TimeoutExpired:
        return Result(124, "", f"no end within {seconds:.0f} s")
    return Result(done.returncode, done.stdout, done.stderr)


def must(argv: t.Sequence[str], stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run a program that has to succeed, and give what it printed."""
    done = run(argv, stdin, seconds)
    if done.rc != 0:
        said = (done.stderr or done.stdout).strip() or "it said nothing"
        raise HostError(f"{' '.join(argv)} ended with {done.rc}: {said}")
    return done.stdout
