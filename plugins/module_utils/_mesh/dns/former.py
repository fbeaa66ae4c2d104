# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of before that releases up to 1.0 kept, read as a footprint. Private to the collection."""

from __future__ import annotations

import json

from ..._host import footprint, paths
from ..._host.errors import HostError
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from . import files

_RECORD, _TEXT, _WRITTEN = "original.json", "resolv.conf.text", "hosts.written"
_COPIES = {"resolv.conf": files.RESOLV_CONF, "hosts": files.HOSTS}
NAMES = (_RECORD, _TEXT, _WRITTEN, *_COPIES, "previous")


def _place(name: str) -> str:
    return f"{footprint.directory(files.ROLE)}/{name}"


def load() -> Footprint | None:
    """None: there is no such record."""
    text = paths.read_text(_place(_RECORD))
    if text is None:
        return None
    try:
        record = json.loads(text)
        there = set(record["paths"])
        # Of files of our own names it kept nothing, and its removal deleted them.
        was = {path: PathState() for path in files.FILES}
        was.update({path: paths.read(_place(name)) for name, path in _COPIES.items() if path in there})
        was.update({path: paths.directory() if path in there else PathState() for path in files.DIRECTORIES})
        more = {"resolv_conf_text": paths.read_text(_place(_TEXT)) or ""}
        written = paths.read_text(_place(_WRITTEN))
        if written is not None:
            more["hosts_written"] = written
        return Footprint(
            role=files.ROLE,
            paths=was,
            packages=tuple(record["packages"]),
            accounts={files.ACCOUNT: bool(record["account"])},
            units={files.UNIT: {"active": bool(record["active"]), "enabled": bool(record["enabled"])}},
            more=more,
        )
    except (ValueError, LookupError, TypeError) as exc:
        raise HostError(
            f"{_place(_RECORD)} cannot be read ({exc}): it says how this host was before. Put it right from a backup; "
            "without it nothing can be put back."
        ) from exc


def remove() -> None:
    """When the footprint is on disk in its stead."""
    for name in NAMES:
        paths.put(_place(name), paths.NOTHING)
