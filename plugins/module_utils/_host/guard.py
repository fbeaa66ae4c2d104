# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A timer on the host that puts the old state back, unless the run proves in time that the host can still be reached.

Before the first change everything that the run will touch is copied beside a script that puts it back; a transient
timer of systemd starts it. A step that fails starts the same script at once. It needs neither Ansible nor Python, for a
run that was cut leaves neither behind. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
import typing as t

from . import paths
from .commands import must, run
from .errors import HostError
from .footprint import directory
from .paths import PathState

CHECK = "-check"
SECONDS = 45
"""How long a run may take to prove itself: with the script's own work the old state is back within a minute."""
TOO_LATE = 75
"""The status of a confirmation that found the old state back."""
# How long the script may take that goes back beyond that, with a package to install.
_BACK_SECONDS = 400


@dataclasses.dataclass(frozen=True)
class Before:
    """The state that the script puts back. Of files of unknown content only owner and mode go back."""

    paths: t.Mapping[str, PathState]
    units: t.Mapping[str, t.Mapping[str, bool]] = dataclasses.field(default_factory=dict)
    # Programs that run before anything else goes back, and after it.
    first: t.Sequence[t.Sequence[str]] = ()
    last: t.Sequence[t.Sequence[str]] = ()


def unit(role: str) -> str:
    return f"mesh-expansion-guard-{role.replace('_', '-')}"


def place(role: str) -> str:
    return f"{directory(role)}/guard"


def kept(role: str) -> str:
    """Where the way back lies of a change that is confirmed, but whose use is still to be proved."""
    return f"{directory(role)}/way-back"


def script(role: str, before: Before) -> str:
    """The shell script. It goes on after a step that fails: as much as possible goes back."""
    lines = [
        "#!/bin/sh",
        "# Written by mesh.expansion: puts back what a run changed that did not finish, or cut this host off.",
        f"cd {shlex.quote(place(role))} || exit 1",
        ": > began",
        *(shlex.join(argv) for argv in before.first),
    ]
    # What a run that was killed left half made.
    for path in sorted(before.paths):
        drafts = shlex.join([paths.beside(path), paths.beside(path, CHECK)])
        lines.append(f"rm -f -- {drafts}")
    # Deeper paths first when they go, later when they come.
    for path in sorted(before.paths, reverse=True):
        if before.paths[path].kind == paths.ABSENT:
            lines.append(f"rm -rf -- {shlex.quote(path)}")
    for number, path in enumerate(sorted(before.paths)):
        lines += _back(path, before.paths[path], number)
    lines.append("systemctl daemon-reload")
    for name, was in before.units.items():
        # One that was not enabled may have gone with its file.
        lines.append(f"systemctl --quiet {'enable' if was['enabled'] else 'disable'} {shlex.quote(name)} 2>/dev/null")
        lines.append(f"systemctl {'restart' if was['active'] else 'stop'} {shlex.quote(name)} 2>/dev/null")
    lines += [shlex.join(argv) for argv in before.last]
    return "\n".join([*lines, ": > done", "exit 0"]) + "\n"


def _back(path: str, state: PathState, number: int) -> list[str]:
    quoted, beside = shlex.quote(path), shlex.quote(f"{path}.mesh-expansion-back")
    owner = shlex.quote(f"{state.owner}:{state.group}")
    if state.kind == paths.LINK:
        return [
            f"ln -sfn -- {shlex.quote(state.target)} {beside}{_dated(state, beside)} && mv -f -T -- {beside} {quoted}"
        ]
    if state.kind == paths.DIRECTORY:
        return [f"mkdir -p -- {quoted} && chown {owner} {quoted} && chmod {state.mode} {quoted}"]
    if state.kind == paths.FILE and state.content is None:
        return [f"chown {owner} {quoted} && chmod {state.mode} {quoted}"]
    if state.kind == paths.FILE:
        return [
            (
                f"cp -- {number} {beside} && chown {owner} {beside} && chmod {state.mode} "
                f"{beside}{_dated(state, beside)} && mv -f -T -- {beside} {quoted}"
            )
        ]
    return []


def _dated(state: PathState, beside: str) -> str:
    if not state.mtime:
        return ""
    seconds, rest = divmod(state.mtime, 10**9)
    return f" && touch --no-dereference --date=@{seconds}.{rest:09d} -- {beside}"


def prepare(role: str, before: Before) -> None:
    """Copies and script, on disk before the first change."""
    # It would lead to a state that this change did not begin with.
    settle(role)
    paths.put(place(role), paths.NOTHING)
    paths.put(place(role), paths.directory("0700"))
    for number, path in enumerate(sorted(before.paths)):
        content = before.paths[path].content
        if content is not None:
            paths.put(f"{place(role)}/{number}", PathState(paths.FILE, "root", "root", "0600", content))
    paths.put(f"{place(role)}/restore.sh", paths.text_file(script(role, before), "0700"))


def arm(role: str, seconds: int = SECONDS) -> None:
    """Start the timer, anew if it runs."""
    disarm(role)
    must(
        [
            "systemd-run",
            "--quiet",
            f"--unit={unit(role)}",
            f"--on-active={seconds}s",
            "--timer-property=AccuracySec=100ms",
            "--description=mesh.expansion: put the old state back unless the run confirms the new one",
            "/bin/sh",
            f"{place(role)}/restore.sh",
        ]
    )


def disarm(role: str) -> None:
    run(["systemctl", "stop", f"{unit(role)}.timer"])
    run(["systemctl", "reset-failed", f"{unit(role)}.timer", f"{unit(role)}.service"])


def fired(role: str) -> bool:
    """Whether the script has begun. The timer does not tell: it counts as active while the script runs."""
    return os.path.exists(f"{place(role)}/began")


def pending(role: str) -> bool:
    """Whether a run was cut, and what it changed has not gone back completely yet."""
    return os.path.exists(f"{place(role)}/restore.sh") and not os.path.exists(f"{place(role)}/done")


def undo_cut(role: str) -> bool:
    """Put back what a run that was cut has changed; whether there was one."""
    if not pending(role):
        return False
    put_back(role)
    return True


def put_back(role: str) -> None:
    """What the timer would do, now."""
    disarm(role)
    must(["/bin/sh", f"{place(role)}/restore.sh"], seconds=180)
    paths.put(place(role), paths.NOTHING)


def confirming(role: str, keep: bool = False) -> str:
    """The shell command by which the new state stays, and what leads back is kept if wanted. It ends with TOO_LATE when
    the timer was faster, and the old state is back. Without Python, a proof costs no more than a connection."""
    where, timer = shlex.quote(place(role)), f"{unit(role)}.timer"
    end = f"mv -T -- {where} {shlex.quote(kept(role))}" if keep else f"rm -rf -- {where}"
    return (
        # Without a timer it cannot begin any more.
        f"if [ -d {where} ]; then systemctl stop {timer} 2>/dev/null; "
        f"systemctl reset-failed {timer} {unit(role)}.service 2>/dev/null; "
        f"if [ -e {where}/began ]; then exit {TOO_LATE}; fi; {end}; fi"
    )


def too_late(role: str) -> str:
    return (
        f"The change of {role} was not confirmed within {SECONDS} s, so this host has put back how it was before this "
        "run. Find out why new connections to it came late or not at all, and run again. "
        f"On that host: journalctl -u {unit(role)}."
    )


def confirm(role: str, keep: bool = False) -> bool:
    """Whether the new state stays."""
    done = run(["/bin/sh", "-c", confirming(role, keep)])
    if done.rc not in (0, TOO_LATE):
        raise HostError(done.stderr.strip() or f"ended with {done.rc}")
    return done.rc == 0


def keeps(role: str) -> bool:
    return os.path.isdir(kept(role))


def settle(role: str) -> None:
    """There is no way back any more."""
    paths.put(kept(role), paths.NOTHING)


def go_back(role: str) -> None:
    """Put back what a confirmed change has replaced. The host does so by itself: it goes on when the run is cut."""
    paths.put(place(role), paths.NOTHING)
    os.rename(kept(role), place(role))
    arm(role, 1)
    deadline = time.monotonic() + _BACK_SECONDS
    while pending(role):
        if time.monotonic() > deadline:
            raise HostError(
                f"{place(role)}/restore.sh has not put the old state back within {_BACK_SECONDS} s. "
                f"Next, on that host: journalctl -u {unit(role)}"
            )
        time.sleep(0.5)
    disarm(role)
    paths.put(place(role), paths.NOTHING)
