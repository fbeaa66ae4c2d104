# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role remembers of a VM: the footprint, and the package that worked last. Private to the collection."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import typing as t

from ..._host import accounts, footprint, packages, paths
from ..._host.deb_source import inspect
from ..._host.errors import HostError
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from . import layout


def _old_path() -> str:
    """What releases up to 1.0 wrote."""
    return f"{footprint.directory(layout.ROLE)}/original.json"


def known() -> Footprint | None:
    """What this host was like before the role changed it, in the words of this release or an earlier one."""
    found = footprint.load(layout.ROLE)
    if found is None:
        text = paths.read_text(_old_path())
        found = None if text is None else from_old(text)
    return found


def from_old(text: str) -> Footprint:
    """Of 1.0: C({"paths": [those that were there], "account": bool, "packages": [...]})."""
    try:
        old = json.loads(text)
        present, account, installed = list(old["paths"]), bool(old["account"]), list(old["packages"])
    except (ValueError, LookupError, TypeError) as exc:
        raise HostError(
            f"{_old_path()} cannot be read ({exc}): it says how this host was before the role changed it. "
            "Put the file right from a backup; without it nothing can be put back."
        ) from exc
    return Footprint(
        role=layout.ROLE,
        # What kind of thing it was is not known, and not needed: the removal leaves it.
        paths={path: PathState(paths.DIRECTORY) if path in present else paths.NOTHING for path in layout.PATHS},
        packages=installed,
        accounts={layout.USER: account},
    )


def take() -> Footprint:
    """Of a host that the role has not changed yet. Keys are looked at, not read."""
    return Footprint(
        role=layout.ROLE,
        paths={path: paths.read(path, content=False) for path in layout.PATHS},
        packages=tuple(packages.installed()),
        accounts={layout.USER: accounts.exists(layout.USER)},
    )


def keep() -> bool:
    """Write the footprint unless it is there; whether it had to be."""
    if footprint.load(layout.ROLE) is not None:
        return False
    footprint.save(known() or take())
    paths.put(_old_path(), paths.NOTHING)
    return True


def previous() -> str:
    """A package that was installed before an upgrade, for the way back."""
    return f"{footprint.directory(layout.ROLE)}/previous.deb"


def package_version(path: str) -> str:
    """Of a file that is our package; empty for another one, or none."""
    found: dict[str, t.Any] = inspect(path, 0) if os.path.isfile(path) else {}
    return str(found.get("version", "")) if found.get("package") == layout.PACKAGE else ""


def keep_package(installed: str) -> bool:
    """Keep the file of the installed package, which the next one may replace; whether it had to be."""
    if not installed or package_version(previous()) == installed:
        return False
    for path in sorted(glob.glob(f"{layout.CACHE}/*.deb")):
        if package_version(path) == installed:
            paths.put(previous(), paths.NOTHING)
            # A second name costs no space, and stays when the first gets another content by renaming.
            try:
                os.link(path, previous())
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copyfile(path, previous())
            return True
    return False
