# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on a VM, as far as the sidecar's plan decides on it. Reads only. Private to the collection."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import typing as t
from pathlib import Path
from urllib.error import HTTPError, URLError

from ..._host import accounts, addresses, packages, paths, systemd
from ..._host.paths import PathState
from ..._host.systemd import UnitState
from . import admin, envoy, layout
from .layout import Layout
from .settings import Settings

ADMIN = "http://127.0.0.1:15000"
LIVE = "LIVE"
_ADDRESS = "istio_sidecar_address (mesh_vm_address)"


@dataclasses.dataclass(frozen=True)
class Seen:
    # Version of the installed package; empty without one.
    version: str = ""
    account: bool = False
    # The VM's address as pods reach it.
    address: str = ""
    # The files that the role puts in place with their content, Envoy's memory without.
    paths: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    # Owner and mode of what is below the sidecar's home and belongs to another account.
    foreign: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    units: t.Mapping[str, UnitState] = dataclasses.field(default_factory=dict)
    # Settings and package that came after the sidecar's start.
    newer: t.Sequence[str] = ()
    envoy_runs: bool = False
    # What Envoy or its agent says, or why it says nothing.
    envoy: str = ""
    # Whether this host rotates logs.
    rotates: bool = False
    # The layout of the sidecar that is there, if it is another one than the settings are for.
    former: Layout | None = None

    def at(self, path: str) -> PathState:
        return self.paths.get(path, paths.NOTHING)

    def unit(self, name: str) -> UnitState:
        return self.units.get(name, UnitState())


def look(settings: Settings) -> Seen:
    made = settings.layout
    version = packages.installed().get(layout.PACKAGE, "")
    units = systemd.look(layout.UNITS)
    former = layout.of_units([name for name, unit in units.items() if unit.loaded]) if version else None
    former = None if former == made else former
    files = [*settings.files, layout.LOGROTATE] if made.bootstrapped else made.settings
    seen = {path: paths.read(path) for path in files}
    seen[layout.SHARED_MEMORY] = paths.read(layout.SHARED_MEMORY, content=False)
    account = accounts.exists(layout.USER)
    return Seen(
        version=version,
        account=account,
        address=settings.address or addresses.source_of_route(settings.vip, _ADDRESS),
        paths=seen,
        foreign=foreign_paths(layout.HOME, layout.USER, made.settings) if account else {},
        units={name: units[name] for name in units if name in (*made.units, *(former.units if former else ()))},
        newer=newer_settings(units[layout.SIDECAR_UNIT].since, made.settings),
        envoy_runs=runs("envoy"),
        envoy=state_of(made),
        rotates=os.path.isdir(os.path.dirname(layout.LOGROTATE)),
        former=former,
    )


def foreign_paths(top: str, user: str, settings: t.Sequence[str]) -> dict[str, PathState]:
    """What does not belong to the account; the files of settings are looked after by themselves."""
    uid = accounts.uid_of(user)
    every = [top]
    for parent, folders, names in os.walk(top):
        every += [os.path.join(parent, name) for name in folders + names]
    found = {}
    for path in every:
        if path not in settings and _other_owner(path, uid):
            found[path] = paths.read(path, content=False)
    return found


def _other_owner(path: str, uid: int) -> bool:
    try:
        return os.lstat(path).st_uid != uid
    except FileNotFoundError:
        return False


def newer_settings(since: float, settings: t.Sequence[str]) -> tuple[str, ...]:
    """A run that was cut before its restart left a sidecar that is older than its settings."""
    if not since:
        return ()
    names = os.listdir(layout.ENV_DIR) if os.path.isdir(layout.ENV_DIR) else []
    every = {os.path.join(layout.ENV_DIR, name) for name in names if name.endswith(".env")}
    found = [*sorted({*every, *settings}), layout.PACKAGE_LIST]
    return tuple(path for path in found if os.path.isfile(path) and os.stat(path).st_mtime > since)


def runs(name: str) -> bool:
    """Whether there is a process of this name."""
    for entry in os.listdir("/proc"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError):
            if entry.isdigit() and Path(f"/proc/{entry}/comm").read_text().strip() == name:
                return True
    return False


def state_of(made: Layout) -> str:
    """LIVE once the sidecar works; otherwise what is known of it."""
    return ready_state(made.ready) if made.ready else envoy_state()


def ready_state(page: str, timeout: float = 5) -> str:
    """LIVE once the agent says so: Envoy has its first configuration, and the agent its table of names."""
    try:
        admin.reader(page, timeout)("")
        return LIVE
    except HTTPError as exc:
        return f"not ready ({exc.code}: {exc.reason})"
    except (URLError, OSError) as exc:
        return f"silent ({page}: {getattr(exc, 'reason', exc)})"


def envoy_state(base: str = ADMIN, timeout: float = 5) -> str:
    """LIVE once Envoy has its first configuration; otherwise what it says, or why it cannot be asked."""
    try:
        return str(envoy.server(admin.reader(base, timeout)("/server_info"))["state"])
    except (URLError, OSError) as exc:
        return f"silent ({base}: {getattr(exc, 'reason', exc)})"
    except envoy.EnvoyError as exc:
        return f"not there ({exc})"
