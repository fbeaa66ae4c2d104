# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a list of operations, or none of it: what was done goes back by itself when one of them fails.

For roles whose changes cut nobody off; the others have the guard's timer as well. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from . import commands, footprint, paths, systemd
from .change import Broken, Operation, Put, Reread, Unit, finish
from .errors import HostError

Undo = t.Callable[[], None]
Work = t.Callable[[t.Mapping[str, t.Any], bool], t.Dict[str, t.Any]]
"""What is done with a module's options, also in check mode."""


@dataclasses.dataclass(frozen=True)
class Remember:
    """Write the footprint, before anything else."""

    wanted: footprint.Footprint

    def __str__(self) -> str:
        return f"remember in {footprint.path_of(self.wanted.role)} what was there before"

    def run(self) -> None:
        footprint.save(self.wanted)

    def undo(self) -> Undo:
        before = footprint.load(self.wanted.role)
        return (lambda: footprint.forget(self.wanted.role)) if before is None else (lambda: footprint.save(before))


@dataclasses.dataclass(frozen=True)
class Forget:
    """Remove the footprint, after everything else."""

    role: str

    def __str__(self) -> str:
        return f"remove {footprint.directory(self.role)}"

    def run(self) -> None:
        footprint.forget(self.role)

    def undo(self) -> Undo:
        before = footprint.load(self.role)
        return (lambda: None) if before is None else (lambda: footprint.save(before))


@dataclasses.dataclass(frozen=True)
class RemoveEmpty:
    """Remove a directory that is empty by now."""

    path: str

    def __str__(self) -> str:
        return f"remove {self.path}"

    def run(self) -> None:
        if os.path.isdir(self.path) and not os.listdir(self.path):
            os.rmdir(self.path)

    def undo(self) -> Undo:
        before = paths.read(self.path)
        return lambda: paths.put(self.path, before)


def apply(operations: t.Sequence[Operation], after: t.Callable[[Operation], None] | None = None) -> None:
    """Do them in order. When one fails, it and those before it go back, the last first; Broken says what happened.

    ``after`` is called after each operation.
    """
    undone: list[tuple[Operation, Undo]] = []
    done: list[str] = []
    for operation in operations:
        try:
            undone.append((operation, _undo(operation)))
            finish(operation)
            if after is not None:
                after(operation)
        except Exception as exc:
            problems = _put_back(undone)
            text = str(exc) or type(exc).__name__
            if problems:
                text += f". Putting back what was done failed as well: {'; '.join(problems)}"
            raise Broken(operation, text, done, not problems) from exc
        done.append(str(operation))


def _put_back(undone: t.Sequence[tuple[Operation, Undo]]) -> list[str]:
    """As much as possible goes back, the last change first."""
    problems = []
    for operation, undo in reversed(undone):
        try:
            undo()
        except Exception as exc:
            problems.append(f"{operation}: {exc}")
    # Once more, for the files that are back now.
    if any(isinstance(operation, Reread) for operation, _undo_of in undone):
        try:
            systemd.daemon_reload()
        except Exception as exc:
            problems.append(str(exc))
    return problems


def _undo(operation: Operation) -> Undo:
    """What takes an operation back, made before it is done."""
    if isinstance(operation, Put):
        path, before = operation.path, paths.read(operation.path)
        return lambda: paths.put(path, before)
    if isinstance(operation, Unit):
        return _undo_unit(operation.name)
    own = getattr(operation, "undo", None)
    return own() if own is not None else (lambda: None)


def _undo_unit(name: str) -> Undo:
    before = systemd.look([name])[name]

    def undo() -> None:
        now = systemd.look([name])[name]
        if now.enabled != before.enabled:
            systemd.enable(name, before.enabled)
        if now.active != before.active:
            systemd.act("start" if before.active else "stop", name)
        if now.state == "failed" and before.state != "failed":
            commands.run(["systemctl", "reset-failed", "--", name])

    return undo


def answer(module: t.Any, work: Work, errors: tuple[type[Exception], ...] = (HostError,)) -> None:
    """What a module ends with: what the work says, or why it could not be done."""
    try:
        result = work(module.params, module.check_mode)
    except errors as exc:
        module.fail_json(**failure(exc))
    else:
        module.exit_json(**result)


def failure(exc: Exception) -> dict[str, t.Any]:
    """What a module says when it fails."""
    if not isinstance(exc, Broken):
        return {"msg": str(exc), "changed": False, "operations": []}
    if exc.restored:
        msg = f"{exc}. Everything that this run had changed is put back."
    else:
        msg = f"{exc}. Done before that: {'; '.join(exc.done) or 'nothing'}. Run again once the cause is gone."
    return {"msg": msg, "changed": not exc.restored, "operations": exc.done, "restored": exc.restored}
