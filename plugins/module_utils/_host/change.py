# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on a host as a list of operations, and doing it: in order, guarded, all or nothing.

A role's plan is a pure function that gives operations; check mode, the diff and the real run read the same list.
Private to the collection.
"""

from __future__ import annotations

import dataclasses
import time
import typing as t

from . import commands, guard, paths, systemd
from .errors import HostError
from .paths import PathState


@dataclasses.dataclass(frozen=True)
class Put:
    """Make a path what it should be."""

    path: str
    wanted: PathState
    # A program that must accept the file first; the word C(%s) stands for the new file.
    validate: t.Sequence[str] = ()

    def __str__(self) -> str:
        verb = {paths.ABSENT: "remove", paths.DIRECTORY: "make directory", paths.LINK: "link"}.get(
            self.wanted.kind, "write"
        )
        return f"{verb} {self.path}"

    def run(self) -> None:
        if self.validate:
            beside = paths.beside(self.path, guard.CHECK)
            paths.put(beside, self.wanted)
            try:
                commands.must([word.replace("%s", beside) for word in self.validate])
            finally:
                paths.put(beside, paths.NOTHING)
        paths.put(self.path, self.wanted)


@dataclasses.dataclass(frozen=True)
class Unit:
    """start, stop, restart, reload, clean, enable or disable a unit."""

    action: str
    name: str

    def __str__(self) -> str:
        return f"{self.action} {self.name}"

    def run(self) -> None:
        if self.action in ("enable", "disable"):
            systemd.enable(self.name, self.action == "enable")
        else:
            systemd.act(self.action, self.name)


@dataclasses.dataclass(frozen=True)
class Reread:
    """systemd reads its units again."""

    def __str__(self) -> str:
        return "have systemd read its units again"

    def run(self) -> None:
        systemd.daemon_reload()


@dataclasses.dataclass(frozen=True)
class Program:
    """Run a program that has to succeed."""

    argv: t.Sequence[str]
    stdin: str | None = None

    def __str__(self) -> str:
        return "run " + " ".join(self.argv)

    def run(self) -> None:
        commands.must(self.argv, self.stdin)


class Operation(t.Protocol):
    """One step; its text is what a person reads of it. Roles have more kinds of their own.

    One that may take long gives something back now and then while it runs, so that the guard's timer does not run out.
    """

    def run(self) -> t.Iterable[None] | None: ...


def finish(operation: Operation) -> None:
    """Run an operation to its end where no timer has to be kept from running out."""
    for _pause in operation.run() or ():
        pass


class Broken(HostError):
    """A step failed. ``done`` are the steps before it, ``restored`` says whether all of it was put back."""

    def __init__(self, operation: Operation, reason: str, done: t.Sequence[str], restored: bool) -> None:
        super().__init__(f"{operation}: {reason}")
        self.operation, self.reason, self.done, self.restored = operation, reason, list(done), restored


def apply(
    role: str,
    operations: t.Sequence[Operation],
    before: guard.Before,
    after: t.Callable[[Operation], None] | None = None,
) -> list[str]:
    """Do all of it, or leave the host as it was. Gives what was done, and leaves the guard's
    timer running for the proof.

    ``after`` is called after each operation.
    """
    guard.prepare(role, before)
    watch = _Watch(role)
    done: list[str] = []
    for operation in operations:
        try:
            for _pause in operation.run() or ():
                watch.keep()
            watch.keep()
        except Exception as exc:
            try:
                guard.put_back(role)
            except HostError as worse:
                raise Broken(
                    operation, f"{exc}. Putting back what was done failed as well: {worse}", done, False
                ) from exc
            if isinstance(exc, HostError):
                raise Broken(operation, str(exc), done, True) from exc
            raise
        done.append(str(operation))
        if after is not None:
            after(operation)
    guard.arm(role)
    return done


class _Watch:
    """Keeps the guard's timer from running out while the work goes on."""

    def __init__(self, role: str) -> None:
        self.role = role
        guard.arm(role)
        self.armed_at = time.monotonic()

    def keep(self) -> None:
        passed = time.monotonic() - self.armed_at
        if passed < guard.SECONDS / 4:
            return
        guard.arm(self.role)
        self.armed_at = time.monotonic()
        if guard.fired(self.role):
            raise HostError(
                f"it took {passed:.0f} s, and after {guard.SECONDS} s the guard put the old state back. "
                "Find out what is slow on this host, and run again"
            )


def touched(operations: t.Sequence[Operation]) -> list[str]:
    """The paths that the operations write."""
    return list(dict.fromkeys(operation.path for operation in operations if isinstance(operation, Put)))


def diff(operations: t.Sequence[Operation], actual: t.Mapping[str, PathState]) -> list[dict[str, str]]:
    """For C(--diff): each file before and after. Content that is nobody's business is not in a
    PathState to begin with."""
    shown = []
    for operation in operations:
        if isinstance(operation, Put):
            before, after = _text(actual.get(operation.path, paths.NOTHING)), _text(operation.wanted)
            shown.append(
                {"before_header": operation.path, "after_header": operation.path, "before": before, "after": after}
            )
    return shown


def _text(state: PathState) -> str:
    if state.kind == paths.FILE and state.content is not None:
        return state.content.decode("utf-8", "replace")
    if state.kind == paths.LINK:
        return f"link to {state.target}\n"
    return "" if state.kind == paths.ABSENT else f"{state.kind} of {state.owner}:{state.group}, mode {state.mode}\n"
