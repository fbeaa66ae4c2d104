# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the kernel, and its settings below /proc/sys. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from . import commands, paths
from .errors import HostError

PROC = "/proc"
MODULES = "/lib/modules"


def is_there(name: str, loaded: str, builtin: str) -> bool:
    """Whether the kernel has a module, by /proc/modules and the list modules.builtin."""
    name = name.replace("-", "_")
    own = {line.split()[0] for line in loaded.splitlines() if line.strip()}
    built = {line.rpartition("/")[2].partition(".ko")[0].replace("-", "_") for line in builtin.splitlines()}
    return name in own or name in built


def missing(names: t.Iterable[str]) -> list[str]:
    """Which of these modules are not loaded."""
    loaded = paths.read_text(f"{PROC}/modules") or ""
    builtin = paths.read_text(f"{MODULES}/{os.uname().release}/modules.builtin") or ""
    return [name for name in names if not is_there(name, loaded, builtin)]


@dataclasses.dataclass(frozen=True)
class Load:
    """Load modules. They stay: whoever else uses them by now would lose them."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"load the kernel modules {', '.join(self.names)}"

    def run(self) -> None:
        commands.must(["modprobe", "-a", *self.names])


def _file(name: str) -> str:
    # A dot may belong to the name of an interface: then the parts are parted by slashes.
    return f"{PROC}/sys/{name if '/' in name else name.replace('.', '/')}"


def settings(names: t.Iterable[str]) -> dict[str, str]:
    """The values of the settings that this kernel has."""
    found = {name: paths.read_text(_file(name)) for name in names}
    return {name: value.strip() for name, value in found.items() if value is not None}


@dataclasses.dataclass(frozen=True)
class Setting:
    """Give a setting a value, until the next boot."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"set {self.name} to {self.value}"

    def run(self) -> None:
        try:
            # Without making a file: what is not there is no setting.
            handle = os.open(_file(self.name), os.O_WRONLY | os.O_TRUNC)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(f"{self.value}\n")
        except FileNotFoundError:
            raise HostError("this kernel has no such setting: take it out of the list, or load its module") from None
        except OSError as exc:
            raise HostError(f"the kernel does not take it: {exc.strerror or exc}") from exc

    def undo(self) -> t.Callable[[], None]:
        before = settings([self.name]).get(self.name)
        return (lambda: None) if before is None else dataclasses.replace(self, value=before).run
