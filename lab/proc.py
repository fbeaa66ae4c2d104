"""Processes of the lab: run one, or keep one running under a name."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from lab import config
from lab.errors import LabError

MARKER = "MESH_LAB"
"""In the environment of every process that the lab keeps running, so that `down` finds them all."""

Argument = str | os.PathLike[str]
T = TypeVar("T")


def netns_path(netns: str) -> Path:
    return Path("/run/netns") / netns


def in_netns(argv: Sequence[Argument], netns: str | None) -> list[str]:
    """The command, entered into a network namespace."""
    command = [os.fspath(word) for word in argv]
    return ["nsenter", f"--net={netns_path(netns)}", "--", *command] if netns else command


def run(
    argv: Sequence[Argument],
    *,
    netns: str | None = None,
    timeout: float = 60,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Argument | None = None,
    input: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run to the end, capture stdout and stderr; a failure names the command and its last words."""
    command = in_netns(argv, netns)
    stdin: dict[str, object] = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
    environ = {**os.environ, **env} if env else None
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environ,
            cwd=cwd,
            check=False,
            **stdin,
        )
    except FileNotFoundError as error:
        raise LabError(f"{command[0]}: not found; `lab/lab deps` installs what the lab needs") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(command)}: not finished after {timeout:.0f} s") from error
    if check and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(command)}: exit status {done.returncode}: {said}")
    return done


def pid_file(name: str) -> Path:
    return config.run_dir() / f"{name}.pid"


def log_file(name: str) -> Path:
    return config.log_dir() / f"{name}.log"


def _start_time(pid: int) -> str | None:
    """The kernel's start time of a live process; guards against a reused process id."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def pid_of(name: str) -> int | None:
    """Process id of a named process that still runs, else None."""
    try:
        pid, started = pid_file(name).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return None
    return int(pid) if _start_time(int(pid)) == started else None


def alive(name: str) -> bool:
    return pid_of(name) is not None


def start(
    name: str,
    argv: Sequence[Argument],
    *,
    netns: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Argument | None = None,
    log: Argument | None = None,
    preexec: Callable[[], None] | None = None,
) -> int:
    """Start a process in its own session, output to S/log/NAME.log; does nothing when it runs already."""
    running = pid_of(name)
    if running is not None:
        return running
    for directory in (config.run_dir(), config.log_dir()):
        directory.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "PYTHONPATH": str(config.repo_root()), "PYTHONUNBUFFERED": "1", **(env or {}), MARKER: "1"}
    with open(log or log_file(name), "ab") as output:
        child = subprocess.Popen(
            in_netns(argv, netns),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environ,
            cwd=cwd or "/",
            start_new_session=True,
            preexec_fn=preexec,
        )
    _children[child.pid] = child
    temporary = pid_file(name).with_suffix(".new")
    temporary.write_text(f"{child.pid} {_start_time(child.pid)}\n", encoding="utf-8")
    temporary.replace(pid_file(name))
    return child.pid


_children: dict[int, subprocess.Popen[bytes]] = {}


def reap() -> None:
    """Collect ended children of this process, so that they do not count as running."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the session that `start` made, or the process alone when it leads none."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def stop(name: str, timeout: float = 10, number: signal.Signals = signal.SIGTERM) -> None:
    """End a named process and its group; kill it when it has not ended after `timeout` seconds."""
    pid = pid_of(name)
    if pid is not None:
        signal_group(pid, number)
        deadline = time.monotonic() + timeout
        while alive(name) and time.monotonic() < deadline:
            reap()
            time.sleep(0.05)
        signal_group(pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while alive(name):
            reap()
            if time.monotonic() > deadline:
                raise LabError(f"process {name} (pid {pid}) does not end, not even by SIGKILL")
            time.sleep(0.02)
    pid_file(name).unlink(missing_ok=True)


def end_all(description: str, find: Callable[[], Sequence[int]]) -> None:
    """Kill the processes that are found until none is found."""

    def none_found() -> bool:
        found = find()
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    wait_for(f"the end of {description}", none_found, timeout=10, interval=0.05)


class GivenUp(LabError):
    """Raised by a check when waiting longer cannot help."""


def wait_for(description: str, check: Callable[[], T | None], timeout: float, interval: float = 0.1) -> T:
    """Call `check` until it returns something true; an exception of the last try is part of the message.

    A `GivenUp` ends the wait at once.
    """
    deadline = time.monotonic() + timeout
    while True:
        problem = ""
        try:
            result = check()
            if result:
                return result
        except GivenUp:
            raise
        except (LabError, OSError, subprocess.SubprocessError) as error:
            problem = f": {error}"
        if time.monotonic() > deadline:
            raise LabError(f"{description}: not so after {timeout:.0f} s{problem}")
        time.sleep(interval)


def tail(name: str, lines: int = 15) -> str:
    """The last lines of a process's log, for error messages."""
    try:
        text = log_file(name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
