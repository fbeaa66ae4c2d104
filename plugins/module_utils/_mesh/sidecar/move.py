# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the sidecar of one generation to that of another, on a VM where the former runs. Private to the collection.

The former stops before anything of it is touched: it would renew a certificate that was taken away. The guard stands
behind every operation, the installation of the package too.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import typing as t

from ..._host import accounts, commands, paths
from ..._host.change import Operation, Put, Unit
from ..._host.paths import PathState
from . import bootstrap, layout, look
from .layout import Layout
from .look import Seen
from .removal import Uncapture
from .settings import Settings

_SECONDS = 600
_OPTIONS = ("DPkg::Lock::Timeout=120", "Dpkg::Options::=--force-confdef", "Dpkg::Options::=--force-confold")


@dataclasses.dataclass(frozen=True)
class Arrival:
    """What a run brings beside the settings."""

    # The file of the package that takes the place of the one that is installed; empty: that one stays.
    package: str = ""
    # Certificate and key that the control plane does not take.
    remove: t.Sequence[str] = ()
    # Whether what leads back to the sidecar of another generation stays beyond the run.
    keeps: bool = False


NOTHING = Arrival()


@dataclasses.dataclass(frozen=True)
class Install:
    """Install a package from a file; settings that people changed stay."""

    file: str

    def __str__(self) -> str:
        return f"install {self.file}"

    def run(self) -> t.Iterator[None]:
        options = [word for option in _OPTIONS for word in ("-o", option)]
        argv = ["apt-get", "--yes", "--no-install-recommends", "--allow-downgrades", *options, "install", self.file]
        yield from commands.patiently(argv, _SECONDS)


@dataclasses.dataclass(frozen=True)
class OwnHome:
    """Give to the sidecar's account what the package has left to root."""

    settings: t.Sequence[str]

    def __str__(self) -> str:
        return f"give {layout.HOME} to {layout.USER}"

    def run(self) -> None:
        uid = accounts.uid_of(layout.USER)
        for path in look.foreign_paths(layout.HOME, layout.USER, self.settings):
            os.lchown(path, uid, -1)


@dataclasses.dataclass(frozen=True)
class Unset:
    """Take keys out of the settings that start scripts of either generation read: those of the former would count for
    the new one as well. The package may just have replaced the file."""

    keys: t.Sequence[str]

    def __str__(self) -> str:
        return f"take out of {layout.SIDECAR_ENV} what was for the former sidecar"

    def run(self) -> None:
        state = paths.read(layout.SIDECAR_ENV)
        text = (state.content or b"").decode("utf-8", "surrogateescape")
        left = bootstrap.edit_env(text, {}, self.keys)
        if state.kind == paths.FILE and left != text:
            content = left.encode("utf-8", "surrogateescape")
            paths.put(layout.SIDECAR_ENV, dataclasses.replace(state, content=content, mtime=0))


def leave(seen: Seen, settings: Settings, arrival: Arrival) -> list[Operation]:
    """The former sidecar goes, its package is replaced."""
    made = settings.layout
    former = seen.former or made
    operations: list[Operation] = [Unit("stop", name) for name in reversed(former.units)]
    # While its file is there.
    operations += [Unit("disable", name) for name in former.units if name not in made.units and seen.unit(name).enabled]
    operations += map(Uncapture, former.filters)
    operations += [Put(path, paths.NOTHING) for path in arrival.remove]
    operations += [Install(arrival.package)] if arrival.package else []
    if not former.bootstrapped:
        operations.append(Unset(tuple(settings.sidecar_env(seen.address))))
    return [*operations, OwnHome(made.settings)]


def without_identity(made: Layout, arrival: Arrival) -> list[Operation]:
    """A sidecar that runs would write its certificate anew, or the half of it that it gets to."""
    if not arrival.remove:
        return []
    stops = [Unit("stop", name) for name in reversed(made.units)]
    return [*stops, *(Put(path, paths.NOTHING) for path in arrival.remove)]


def insist(argv: t.Sequence[str]) -> tuple[str, str, str]:
    """For the guard's script: what a run that was cut has left behind may still be installing the other package."""
    return "sh", "-c", f"for attempt in 1 2 3 4 5 6; do {shlex.join(argv)} && break; sleep 5; done"


def before(touched: t.Collection[str], moving: bool) -> dict[str, PathState]:
    """Beside what a look has: keys, which are read for the guard's own copy only, and what the packages bring."""
    names = [path for path in layout.IDENTITY if moving or path in touched]
    if moving:
        own = os.listdir(layout.ENV_DIR) if os.path.isdir(layout.ENV_DIR) else []
        found = [path for path in (os.path.join(layout.ENV_DIR, name) for name in sorted(own)) if os.path.isfile(path)]
        # What is a setting to one package is none to another, which writes over it: dpkg then takes it for a change of
        # the host's owner, keeps it, and puts its own beside it.
        names += [*found, *(f"{path}.dpkg-dist" for path in found), layout.CLUSTER_ENV, layout.MESH_CONFIG]
    return {path: paths.read(path) for path in names}
