# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on a director, in order, by what is wanted and what was seen. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import paths
from ..._host.addresses import Remove, of_address
from ..._host.change import Operation, Put, Reread, Unit
from ..._host.footprint import Footprint
from ..._host.kernel import Load, Setting
from ..._host.transaction import Forget, Remember, RemoveEmpty
from ..._ipvs import drain, options
from ..._ipvs.plan import PURGE_NONE, PURGE_SERVICES
from ..._ipvs.plan import plan as plan_table
from . import layout, model, texts
from .model import Seen, Wanted
from .operations import Hold, LoadTable
from .refuse import ipvsadm_loads

Files = t.Mapping[str, bytes]


def plan(wanted: Wanted, seen: Seen, package: Files) -> list[Operation]:
    """The operations; ``package`` is the content of what is installed, by path below its directory."""
    if wanted.state == model.ABSENT:
        return list(_remove(wanted, seen))
    if wanted.state == model.DRAINED:
        return list(_drain(wanted, seen))
    if wanted.state == model.UNDRAINED:
        return list(_undrain(wanted, seen))
    return list(_present(wanted, seen, package))


def _present(wanted: Wanted, seen: Seen, package: Files) -> t.Iterator[Operation]:
    device = model.devices(wanted, seen)[0]
    footprint = footprint_of(wanted, seen)
    if footprint != seen.footprint or seen.old_footprint:
        yield Remember(footprint)
        yield from _gone(seen, layout.OLD_FOOTPRINT)
    yield from _file(seen, layout.MODULES, texts.modules(wanted))
    if seen.missing_modules:
        yield Load(tuple(seen.missing_modules))
    yield from _file(seen, layout.SYSCTLS, texts.sysctls(wanted))
    for name, value in wanted.sysctls.items():
        if seen.sysctls.get(name) != value:
            yield Setting(name, value)
    if ipvsadm_loads(seen.file(layout.IPVSADM)):
        yield _with_boot(seen, False)
    program = list(_package(seen, package))
    yield from program
    # Before its services go: an address without a table would answer with resets.
    former = model.former(wanted, seen)
    for address in former:
        places = of_address(seen.places, address)
        yield from (Remove(place) for place in places if place.prefix == address.max_prefixlen)
    services = model.services(wanted, seen)
    vips = [address.packed for address in (wanted.vip, *former)]
    yield from _table(seen, options.parse_services(services), PURGE_SERVICES, vips)
    yield from _directory(seen, layout.SETTINGS)
    yield from _saved(wanted, seen, texts.table(wanted, services))
    unit = list(_file(seen, layout.UNIT_FILE, texts.unit(wanted, device)))
    yield from unit
    # The table is loaded by now: an address without a table would answer with resets.
    if not model.held_at(wanted, seen):
        yield Hold(wanted.vip, device, wanted.python)
    if unit:
        yield Reread()
    if not seen.unit.enabled:
        yield Unit("enable", layout.UNIT)
    if unit or program:
        # Flushes nothing: it loads the table, which is no change if it is loaded, and announces the address.
        yield Unit("restart", layout.UNIT)
    elif not seen.unit.active:
        yield Unit("start", layout.UNIT)


def footprint_of(wanted: Wanted, seen: Seen) -> Footprint:
    """What was there before the role: what an earlier run remembered, and beside it what only this run touches."""
    known = seen.footprint or Footprint(layout.ROLE)
    files = dict(known.paths)
    if ipvsadm_loads(seen.file(layout.IPVSADM)):
        files.setdefault(layout.IPVSADM, seen.file(layout.IPVSADM))
    now = {name: value for name, value in seen.sysctls.items() if name in wanted.sysctls}
    return dataclasses.replace(known, paths=files, sysctls={**now, **known.sysctls})


def _package(seen: Seen, package: Files) -> t.Iterator[Operation]:
    folders = {layout.PACKAGE} | {f"{layout.PACKAGE}/{name}".rpartition("/")[0] for name in package}
    found = {layout.LIBRARY: seen.file(layout.LIBRARY), **seen.package}
    for folder in [layout.LIBRARY, *sorted(folders)]:
        if found.get(folder, paths.NOTHING).kind != paths.DIRECTORY:
            yield Put(folder, paths.directory())
    wanted = {f"{layout.PACKAGE}/{name}": content for name, content in package.items()}
    for path, content in wanted.items():
        if seen.package.get(path, paths.NOTHING).content != content:
            yield Put(path, paths.PathState(paths.FILE, "root", "root", "0644", content))
    for path, state in sorted(seen.package.items()):
        if state.kind == paths.FILE and path.endswith(".py") and path not in wanted:
            yield Put(path, paths.NOTHING)


def _file(seen: Seen, path: str, text: str, validate: t.Sequence[str] = ()) -> t.Iterator[Operation]:
    wanted = paths.text_file(text)
    found = seen.file(path)
    if (found.kind, found.mode, found.content) != (wanted.kind, wanted.mode, wanted.content):
        yield Put(path, wanted, validate)


def _directory(seen: Seen, path: str) -> t.Iterator[Operation]:
    found = seen.file(path)
    if (found.kind, found.mode) != (paths.DIRECTORY, "0755"):
        yield Put(path, paths.directory("0755"))


def _gone(seen: Seen, path: str) -> t.Iterator[Operation]:
    if seen.file(path).kind != paths.ABSENT:
        yield Put(path, paths.NOTHING)


def _saved(wanted: Wanted, seen: Seen, text: str) -> t.Iterator[Operation]:
    """The table of the next boot, once the loader accepts it: with the Python that runs it then."""
    environment = ["PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={layout.LIBRARY}"]
    check = [wanted.python, "-m", "mesh_ipvs._ipvs.loader", "--check", "%s"]
    yield from _file(seen, layout.TABLE, text, ["/usr/bin/env", *environment, *check])


def _with_boot(seen: Seen, loads: bool) -> Operation:
    found = seen.file(layout.IPVSADM)
    text = texts.with_boot((found.content or b"").decode("utf-8", "surrogateescape"), loads)
    return Put(layout.IPVSADM, dataclasses.replace(found, content=text.encode("utf-8", "surrogateescape")))


def _table(seen: Seen, wanted: list[t.Any], purge: str, vips: list[bytes]) -> t.Iterator[Operation]:
    steps = plan_table(seen.table, wanted, purge, vips)
    if steps:
        yield LoadTable(wanted, purge, vips, steps)


def _drain(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    node = str(wanted.node)
    mine = model.node_weights(wanted, seen)
    if node not in seen.drained:
        # A second run would see the weights that the first one set.
        yield from _directory(seen, layout.STATE)
        yield from _file(seen, layout.DRAINED, texts.drained({**seen.drained, node: mine["weights"]}))
    if seen.saved:
        # So that a boot does not put the node back.
        services = drain.drained(seen.saved["services"], [node])
        yield from _saved(wanted, seen, texts.table_with(seen, services))
    yield from _table(seen, options.parse_services(mine["drain"]), PURGE_NONE, [])


def _undrain(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    node = str(wanted.node)
    if node not in seen.drained:
        return
    yield from _table(seen, options.parse_services(model.node_weights(wanted, seen)["undrain"]), PURGE_NONE, [])
    if seen.saved:
        back = drain.node_plan(seen.saved["services"], node, seen.drained[node])
        yield from _saved(wanted, seen, texts.table_with(seen, back["undrained"]))
    left = {name: weights for name, weights in seen.drained.items() if name != node}
    yield from _file(seen, layout.DRAINED, texts.drained(left))


def _remove(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    installed = seen.file(layout.UNIT_FILE).kind != paths.ABSENT
    if installed:
        if seen.unit.enabled:
            yield Unit("disable", layout.UNIT)
        if seen.unit.active:
            yield Unit("stop", layout.UNIT)
        # Before the table goes: without it the address would answer with resets.
        for place in model.held_at(wanted, seen):
            if place.prefix == wanted.vip.max_prefixlen:
                yield Remove(place)
        yield from _table(seen, [], PURGE_SERVICES, [wanted.vip.packed])
        yield from _restore(seen)
    gone = [path for path in layout.FILES if seen.file(path).kind != paths.ABSENT]
    # What is deeper goes first.
    gone += sorted(seen.package, reverse=True)
    yield from (Put(path, paths.NOTHING) for path in gone)
    if installed:
        yield Reread()
    if seen.footprint is not None and not seen.old_footprint:
        yield Forget(layout.ROLE)
    ours = {*gone, f"{layout.STATE}/{layout.ROLE}"}
    for folder in layout.DIRECTORIES:
        names = seen.listings.get(folder)
        if names is not None and all(f"{folder}/{name}" in ours for name in names):
            yield RemoveEmpty(folder)


def _restore(seen: Seen) -> t.Iterator[Operation]:
    """The kernel's settings and ipvsadm as they were before the role."""
    before = seen.footprint or Footprint(layout.ROLE)
    for name, value in before.sysctls.items():
        if name in seen.sysctls and seen.sysctls[name] != value:
            yield Setting(name, value)
    # With the package its file may have gone.
    if layout.IPVSADM in before.paths and seen.file(layout.IPVSADM).kind == paths.FILE:
        then, now = before.paths[layout.IPVSADM], seen.file(layout.IPVSADM)
        ours = texts.with_boot((then.content or b"").decode("utf-8", "surrogateescape"), False)
        if then.content is not None and now.content == ours.encode("utf-8", "surrogateescape"):
            yield Put(layout.IPVSADM, then)
        elif not ipvsadm_loads(now):
            # Changed since, or remembered by an older release without its content.
            yield _with_boot(seen, True)
