# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role remembers of a VM: the footprint, and the package that worked last. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
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
from .layout import Layout

# Of a footprint: the packet filter's programs, where they are not those of the first layout.
FILTERS = "filters"


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


def take(made: Layout) -> Footprint:
    """Of a host that the role has not changed yet. Keys are looked at, not read."""
    was = Footprint(
        role=layout.ROLE,
        packages=tuple(packages.installed()),
        accounts={layout.USER: accounts.exists(layout.USER)},
    )
    whole = extend(was, made)
    # The package brings it to a host that has none.
    return dataclasses.replace(whole, paths={**whole.paths, layout.PROGRAMS: paths.read(layout.PROGRAMS)})


def extend(was: Footprint, made: Layout) -> Footprint:
    """With what a sidecar of this layout touches; what one of another layout touched was before that."""
    now = {path: paths.read(path, content=False) for path in made.paths if path not in was.paths}
    if not made.bootstrapped:
        return dataclasses.replace(was, paths={**now, **was.paths})
    hosts = hosts_file()
    if hosts not in was.paths:
        now[hosts] = paths.read(hosts)
    return dataclasses.replace(was, paths={**now, **was.paths}, more={**was.more, FILTERS: _with(was, made)})


def _with(was: Footprint, made: Layout) -> list[str]:
    # Without such a record, the layout that has none was the first.
    before = was.more.get(FILTERS) or (layout.AGENT_AND_PROXY.filters if was.paths else ())
    return list(dict.fromkeys([*before, *made.filters]))


def filters(was: Footprint) -> t.Sequence[str]:
    """The programs of the packet filter that the sidecars of this host used."""
    return was.more.get(FILTERS) or layout.AGENT_AND_PROXY.filters


def hosts_file() -> str:
    """A link stays one: what it leads to is edited."""
    return os.path.realpath(layout.HOSTS)


def keep(made: Layout) -> bool:
    """Write the footprint unless it is there; whether it had to be."""
    there = footprint.load(layout.ROLE)
    whole = extend(known() or take(made), made)
    if there == whole:
        return False
    footprint.save(whole)
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
    path = file_of(installed)
    if path in ("", previous()):
        return False
    paths.put(previous(), paths.NOTHING)
    # A second name costs no space, and stays when the first gets another content by renaming.
    try:
        os.link(path, previous())
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(path, previous())
    return True


def file_of(installed: str) -> str:
    """Where the file of the installed package is on this host; empty when it is nowhere."""
    places = [previous(), *sorted(glob.glob(f"{layout.CACHE}/*.deb"))]
    return next((path for path in places if package_version(path) == installed), "") if installed else ""
