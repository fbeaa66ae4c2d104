# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on a real server, in order. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import paths
from ..._host.change import Operation, Put
from ..._host.footprint import Footprint
from ..._host.kernel import Setting
from ..._host.transaction import Forget, Remember, RemoveEmpty
from . import model
from .model import Seen, Wanted


def plan(wanted: Wanted, seen: Seen) -> list[Operation]:
    if wanted.state == model.ABSENT:
        return list(_remove(seen))
    device = model.devices(wanted, seen.places)[0]
    settings = model.wanted_settings(wanted, seen, device)
    return list(_set(wanted, seen, settings)) if settings else []


def _set(wanted: Wanted, seen: Seen, settings: t.Mapping[str, str]) -> t.Iterator[Operation]:
    known = seen.footprint or Footprint(model.ROLE)
    now = {name: seen.settings[name] for name in settings if name in seen.settings}
    # What an earlier run remembered is older, so it wins.
    footprint = dataclasses.replace(known, sysctls={**now, **known.sysctls})
    if footprint != seen.footprint or seen.old_footprint:
        yield Remember(footprint)
    if seen.old_footprint:
        yield Put(model.OLD_FOOTPRINT, paths.NOTHING)
    file = paths.text_file(text(wanted, settings))
    found = seen.file(model.SYSCTLS)
    if (found.kind, found.mode, found.content) != (file.kind, file.mode, file.content):
        yield Put(model.SYSCTLS, file)
    for name, value in settings.items():
        if seen.settings.get(name) != value:
            yield Setting(name, value)


def text(wanted: Wanted, settings: t.Mapping[str, str]) -> str:
    """The file that makes the settings at boot."""
    lines = [
        f"# {wanted.managed}",
        "# arp_*: kube-ipvs0 holds the virtual address here, and only the director may answer ARP for it.",
        "# rp_filter: clients' packets come from the director, their replies leave by another interface.",
        *(f"{name} = {value}" for name, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"


def _remove(seen: Seen) -> t.Iterator[Operation]:
    before = seen.footprint or Footprint(model.ROLE)
    for name, value in before.sysctls.items():
        # An interface may have gone.
        if name in seen.settings and seen.settings[name] != value:
            yield Setting(name, value)
    gone = [path for path in (model.SYSCTLS, model.OLD_FOOTPRINT) if seen.exists(path)]
    yield from (Put(path, paths.NOTHING) for path in gone)
    if seen.footprint is not None and not seen.old_footprint:
        yield Forget(model.ROLE)
    ours = {*gone, f"{model.STATE}/{model.ROLE}"}
    if seen.listing is not None and all(f"{model.STATE}/{name}" in ours for name in seen.listing):
        yield RemoveEmpty(model.STATE)
