# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM's resolver is like now: all that the decisions need, read once. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import platform
import typing as t

from ..._host import accounts, addresses, footprint, guard, packages, paths, systemd
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from ..._host.systemd import UnitState
from . import files, former
from .settings import Settings

_ADDRESS = "dnsmasq_address (mesh_vm_address)"


@dataclasses.dataclass(frozen=True)
class Seen:
    """The host as it is."""

    # Everything that the role may write.
    paths: t.Mapping[str, PathState]
    # What resolv.conf says, also behind a link, and the files of name servers behind a stub.
    texts: t.Mapping[str, str]
    # Name and state of each package that dpkg knows.
    packages: t.Mapping[str, str]
    units: t.Mapping[str, UnitState]
    # Names of those that write resolv.conf themselves and are installed.
    owners: t.Sequence[str]
    account: bool
    footprint: Footprint | None = None
    # The footprint is in the form of releases before 1.1.
    former: bool = False
    # There is configuration that came after dnsmasq's start: of a run that was cut, or of somebody who edited it.
    newer: bool = False
    # A run was cut, and the guard's timer has not put everything back yet.
    pending: bool = False
    address: str = ""
    hostname: str = ""

    def installed(self) -> list[str]:
        return sorted(name for name, state in self.packages.items() if state == packages.INSTALLED)


def look(settings: Settings | None) -> Seen:
    """Without settings only what the removal needs."""
    names = [files.UNIT, *(owner.unit for owner in files.OWNERS if owner.unit)]
    units = systemd.look(names)
    kept, old = footprint.load(files.ROLE), False
    if kept is None:
        kept = former.load()
        old = kept is not None
    return Seen(
        paths={path: paths.read(path) for path in (*files.FILES, *files.DIRECTORIES)},
        texts={path: paths.read_text(path) or "" for path in (files.RESOLV_CONF, *files.BEHIND_STUBS)},
        packages=packages.states(),
        units=units,
        owners=[owner.name for owner in files.OWNERS if os.path.exists(owner.installed_if)],
        account=accounts.exists(files.ACCOUNT),
        footprint=kept,
        former=old,
        newer=is_newer((files.CONF_DIR, files.UNIT_DIR), units[files.UNIT].since),
        pending=guard.pending(files.ROLE),
        address=(settings.address or addresses.source_of_route(settings.vip, _ADDRESS)) if settings else "",
        hostname=(settings.hostname if settings else "") or platform.node().split(".")[0],
    )


def is_newer(folders: t.Sequence[str], since: float) -> bool:
    """Whether a file below was changed after this moment; 0 is no moment."""
    if not since:
        return False
    found = (
        os.path.join(parent, name) for folder in folders for parent, dummy, names in os.walk(folder) for name in names
    )
    return any(os.lstat(path).st_mtime > since for path in found if not os.path.islink(path))
