# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a director, for all decisions at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t

from ..._host import addresses, arp, commands, footprint, kernel, paths, systemd
from ..._host.errors import HostError
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from ..._ipvs import options
from ..._ipvs.errors import ModuleMissingError
from ..._ipvs.plan import PURGE_ALL, PURGE_SERVICES
from ..._ipvs.reconcile import concerned
from . import layout, model, operations, texts
from .model import Seen, Wanted


def look(wanted: Wanted) -> Seen:
    """All of it."""
    interfaces, places = addresses.look()
    files = {path: paths.read(path) for path in (*layout.FILES, *layout.DIRECTORIES, layout.IPVSADM)}
    known, old = remembered(files[layout.OLD_FOOTPRINT])
    seen = Seen(
        interfaces=interfaces,
        places=places,
        sysctls=kernel.settings([*wanted.sysctls, *(known.sysctls if known else ())]),
        missing_modules=kernel.missing(wanted.modules) if wanted.state == model.PRESENT else (),
        files=files,
        package=_tree(layout.PACKAGE),
        listings={path: sorted(os.listdir(path)) for path in layout.DIRECTORIES if os.path.isdir(path)},
        keepalived=_keepalived(layout.KEEPALIVED, str(wanted.vip)),
        dropping=texts.dropping(commands.run(["nft", "-j", "list", "chains"]).stdout),
        unit=systemd.look([layout.UNIT])[layout.UNIT],
        drained=_json(files[layout.DRAINED], layout.DRAINED),
        saved=_json(files[layout.TABLE], layout.TABLE, lenient=True),
        footprint=known,
        old_footprint=old,
    )
    return _with_answers(wanted, _with_table(wanted, seen))


def _with_table(wanted: Wanted, seen: Seen) -> Seen:
    """The part of the kernel's table that the plan is about; an empty one as long as IPVS is not loaded."""
    if wanted.state in (model.DRAINED, model.UNDRAINED):
        choose = concerned([], PURGE_ALL, [])
    else:
        listed = options.parse_services(list(wanted.services)) if wanted.state == model.PRESENT else []
        vips = [address.packed for address in (wanted.vip, *model.former(wanted, seen))]
        choose = concerned(listed, PURGE_SERVICES, vips)
    try:
        with operations.connect(load=False) as client:
            return dataclasses.replace(seen, table=client.read(choose))
    except ModuleMissingError:
        return seen


def _with_answers(wanted: Wanted, seen: Seen) -> Seen:
    """Whether another host has the address. For IPv6 the kernel itself asks, when the address is added."""
    devices = model.devices(wanted, seen)
    if wanted.state != model.PRESENT or wanted.vip.version != 4 or len(devices) != 1 or model.held_at(wanted, seen):
        return seen
    return dataclasses.replace(seen, answered_by=arp.probe(devices[0], str(wanted.vip)))


def remembered(old: PathState) -> tuple[Footprint | None, bool]:
    """The footprint, and whether it has to be put into today's form."""
    found = footprint.load(layout.ROLE)
    if found is not None or old.kind == paths.ABSENT:
        return found, False
    before = _json(old, layout.OLD_FOOTPRINT)
    # Its content was not kept.
    files = {layout.IPVSADM: PathState(paths.FILE)} if before.get("ipvsadm") else {}
    return Footprint(layout.ROLE, paths=files, sysctls=dict(before.get("sysctls") or {})), True


def _json(state: PathState, path: str, lenient: bool = False) -> dict[str, t.Any]:
    """A file that this role wrote; empty when there is none."""
    text = (state.content or b"").decode("utf-8", "replace")
    if not text or (lenient and not text.startswith("{")):
        return {}
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise HostError(f"{path} is not JSON ({exc}): remove it, or restore it from a backup.") from None
    return value if isinstance(value, dict) else {}


def _tree(root: str) -> dict[str, PathState]:
    found = {}
    for folder, _folders, names in os.walk(root):
        for path in (folder, *(f"{folder}/{name}" for name in names)):
            found[path] = paths.read(path)
    return found


def _keepalived(folder: str, address: str) -> list[str]:
    files = [os.path.join(base, name) for base, _folders, names in os.walk(folder) for name in names]
    return [path for path in sorted(files) if texts.names_address(paths.read_text(path) or "", address)]
