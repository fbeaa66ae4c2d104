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
from . import health, keepalived, layout, model, plan_keepalived, puts, texts
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
    if wanted.state in (model.STANDBY, model.READY):
        text = plan_keepalived.STANDING_BY if wanted.state == model.STANDBY else plan_keepalived.PLAYING
        return list(plan_keepalived.stand(wanted, seen, model.device(wanted, seen), text))
    return list(_present(wanted, seen, package))


def _present(wanted: Wanted, seen: Seen, package: Files) -> t.Iterator[Operation]:
    device = model.devices(wanted, seen)[0]
    footprint = footprint_of(wanted, seen)
    if footprint != seen.footprint or seen.old_footprint:
        yield Remember(footprint)
        yield from puts.gone(seen, layout.OLD_FOOTPRINT)
    yield from puts.file(seen, layout.MODULES, texts.modules(wanted))
    if seen.missing_modules:
        yield Load(tuple(seen.missing_modules))
    yield from puts.file(seen, layout.SYSCTLS, texts.sysctls(wanted))
    for name, value in wanted.sysctls.items():
        if seen.sysctls.get(name) != value:
            yield Setting(name, value)
    if ipvsadm_loads(seen.file(layout.IPVSADM)):
        yield _with_boot(seen, False)
    program = list(_package(seen, package))
    yield from program
    yield from plan_keepalived.package(wanted, seen)
    if not wanted.uses_keepalived:
        yield from plan_keepalived.end(seen, gently=False)
    # Before its services go: an address without a table would answer with resets.
    former = model.former(wanted, seen)
    for address in former:
        places = of_address(seen.places, address)
        yield from (Remove(place) for place in places if place.prefix == address.max_prefixlen)
    services = model.services(wanted, seen)
    vips = [address.packed for address in (wanted.vip, *former)]
    listed = options.parse_services(services)
    if wanted.checks:
        listed = health.as_checked(seen.table, listed, wanted.health_failed == model.INHIBIT, seen.failing)
    yield from _table(seen, listed, PURGE_SERVICES, vips)
    yield from puts.directory(seen, layout.SETTINGS)
    yield from _saved(wanted, seen, texts.table(wanted, services))
    unit = list(puts.file(seen, layout.UNIT_FILE, texts.unit(wanted, device)))
    yield from unit
    # The table is loaded by now: an address without a table would answer with resets.
    if not wanted.vrrp and not model.held_at(wanted, seen):
        yield Hold(wanted.vip, device, wanted.python)
    if unit:
        yield Reread()
    if not seen.unit.enabled:
        yield Unit("enable", layout.UNIT)
    if (unit or program) and not (wanted.checks and seen.keepalived_unit.active):
        # Flushes nothing: it loads the table, which is no change if it is loaded, and announces the address.
        # Where keepalived checks, it would put nodes back that do not answer.
        yield Unit("restart", layout.UNIT)
    elif not seen.unit.active:
        yield Unit("start", layout.UNIT)
    if wanted.uses_keepalived:
        yield from plan_keepalived.run(wanted, seen, device, services, bool(program))
    elif footprint != plan_keepalived.forgotten(footprint):
        yield Remember(plan_keepalived.forgotten(footprint))


def footprint_of(wanted: Wanted, seen: Seen) -> Footprint:
    """What was there before the role: what an earlier run remembered, and beside it what only this run touches."""
    known = seen.footprint or Footprint(layout.ROLE)
    files = dict(known.paths)
    if ipvsadm_loads(seen.file(layout.IPVSADM)):
        files.setdefault(layout.IPVSADM, seen.file(layout.IPVSADM))
    now = {name: value for name, value in seen.sysctls.items() if name in wanted.sysctls}
    known = dataclasses.replace(known, paths=files, sysctls={**now, **known.sysctls})
    return plan_keepalived.remembered(wanted, seen, known)


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


def _saved(wanted: Wanted, seen: Seen, text: str) -> t.Iterator[Operation]:
    """The table of the next boot, once the loader accepts it: with the Python that runs it then."""
    environment = ["PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={layout.LIBRARY}"]
    check = [wanted.python, "-m", "mesh_ipvs._ipvs.loader", "--check", "%s"]
    yield from puts.file(seen, layout.TABLE, text, ["/usr/bin/env", *environment, *check])


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
        yield from puts.directory(seen, layout.STATE)
        yield from puts.file(seen, layout.DRAINED, texts.drained({**seen.drained, node: mine["weights"]}))
    if seen.saved:
        # So that a boot does not put the node back, nor keepalived when it reloads or a check succeeds.
        services = drain.drained(seen.saved["services"], [node])
        yield from _saved(wanted, seen, texts.table_with(seen, services))
        yield from plan_keepalived.reconfigure(wanted, seen, model.device(wanted, seen), services)
    yield from _table(seen, options.parse_services(mine["drain"]), PURGE_NONE, [])


def _undrain(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    node = str(wanted.node)
    if node not in seen.drained:
        return
    yield from _table(seen, options.parse_services(model.node_weights(wanted, seen)["undrain"]), PURGE_NONE, [])
    if seen.saved:
        back = drain.node_plan(seen.saved["services"], node, seen.drained[node])
        yield from _saved(wanted, seen, texts.table_with(seen, back["undrained"]))
        yield from plan_keepalived.reconfigure(wanted, seen, model.device(wanted, seen), back["undrained"])
    left = {name: weights for name, weights in seen.drained.items() if name != node}
    yield from puts.file(seen, layout.DRAINED, texts.drained(left))


def _remove(wanted: Wanted, seen: Seen) -> t.Iterator[Operation]:
    installed = seen.file(layout.UNIT_FILE).kind != paths.ABSENT
    if installed:
        if seen.unit.enabled:
            yield Unit("disable", layout.UNIT)
        if seen.unit.active:
            yield Unit("stop", layout.UNIT)
        # Before the table goes: without it the address would answer with resets.
        if not keepalived.holds(seen.file(layout.KEEPALIVED_CONF)):
            places = model.held_at(wanted, seen)
            yield from (Remove(place) for place in places if place.prefix == wanted.vip.max_prefixlen)
        yield from plan_keepalived.end(seen, gently=True)
        yield from plan_keepalived.unwatch(seen)
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
        # One that is empty without us is somebody else's.
        if names and all(f"{folder}/{name}" in ours for name in names):
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
