# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host. Private to the collection."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
import typing as t

from .errors import HostError

_ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SECONDS = 60
_PAUSE = 0.3


class Result(t.NamedTuple):
    rc: int
    stdout: str
    stderr: str


def _environment() -> dict[str, str]:
    return {**os.environ, **_ENVIRONMENT, "PATH": _PATH}


def _failed(argv: t.Sequence[str], rc: int, said: str) -> HostError:
    return HostError(f"{' '.join(argv)} ended with {rc}: {said.strip() or 'it said nothing'}")


def run(argv: t.Sequence[str], stdin: str | None = None, seconds: float = SECONDS) -> Result:
    """Run a program to its end, whatever that is."""
    try:
        # run_command is a module's; this runs without one too, in the guard on the host.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            input=stdin,
            env=_environment(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        return Result(127, "", f"{argv[0]} is not installed")
    except OSError as exc:
        return Result(126, "", f"{argv[0]} cannot be run: {exc.strerror}")
    except subprocess.TimeoutExpired:
        return Result(124, "", f"no end within {seconds:.0f} s")
    return Result(done.returncode, done.stdout, done.stderr)


def must(argv: t.Sequence[str], stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run a program that has to succeed, and give what it printed."""
    done = run(argv, stdin, seconds)
    if done.rc != 0:
        raise _failed(argv, done.rc, done.stderr or done.stdout)
    return done.stdout


def patiently(argv: t.Sequence[str], seconds: float) -> t.Iterator[None]:
    """Run a program that has to succeed and may take long, and give something back now and then."""
    end = time.monotonic() + seconds
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv), stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=_environment()
            )
        except FileNotFoundError:
            raise HostError(f"{argv[0]} is not installed") from None
        try:
            while process.poll() is None:
                if time.monotonic() >= end:
                    raise HostError(f"{' '.join(argv)} has not come to an end within {seconds:.0f} s")
                yield
                time.sleep(_PAUSE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            said.seek(0)
            raise _failed(argv, process.returncode, said.read().decode("utf-8", "replace"))
