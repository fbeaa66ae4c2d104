# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a director, for all decisions at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
from concurrent.futures import BrokenExecutor

from ..._host import addresses, arp, commands, footprint, kernel, packages, paths, systemd
from ..._host.errors import HostError
from ..._host.firewall import nft
from ..._host.footprint import Footprint
from ..._host.paths import PathState
from ..._ipvs import options, watch
from ..._ipvs.errors import ModuleMissingError
from ..._ipvs.plan import PURGE_ALL, PURGE_SERVICES
from ..._ipvs.reconcile import concerned
from . import asking, health, keepalived, layout, model, operations, plan_keepalived, texts
from .model import Seen, Wanted


def look(wanted: Wanted) -> Seen:
    """All of it."""
    interfaces, places = addresses.look()
    others = (layout.IPVSADM, layout.KEEPALIVED_CONF)
    files = {path: paths.read(path) for path in (*layout.FILES, *layout.DIRECTORIES, *others)}
    units = systemd.look([layout.UNIT, layout.KEEPALIVED_UNIT, layout.HEALTH_UNIT, layout.PROBE_UNIT])
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
        dropping=nft.dropping(commands.run(["nft", "-j", "list", "chains"]).stdout),
        unit=units.get(layout.UNIT, systemd.UnitState()),
        keepalived_unit=units.get(layout.KEEPALIVED_UNIT, systemd.UnitState()),
        health_unit=units.get(layout.HEALTH_UNIT, systemd.UnitState()),
        probe_unit=units.get(layout.PROBE_UNIT, systemd.UnitState()),
        namespace=os.path.exists(layout.NAMESPACE),
        drained=_json(files[layout.DRAINED], layout.DRAINED),
        saved=_json(files[layout.TABLE], layout.TABLE, lenient=True),
        footprint=known,
        old_footprint=old,
    )
    return _with_answers(wanted, _with_packages(wanted, _with_checks(wanted, _with_table(wanted, seen))))


def _with_packages(wanted: Wanted, seen: Seen) -> Seen:
    """As far as keepalived is used or has to go."""
    ours = keepalived.is_ours(seen.file(layout.KEEPALIVED_CONF))
    leaving = wanted.state == model.ABSENT or not wanted.uses_keepalived
    if wanted.state == model.PRESENT and wanted.uses_keepalived:
        return dataclasses.replace(seen, packages=packages.states())
    before = seen.footprint.packages if seen.footprint else ()
    if not (ours and leaving) or wanted.state not in (model.PRESENT, model.ABSENT) or not before:
        return seen
    if layout.KEEPALIVED_PACKAGE in before:
        return seen
    came = [name for name in packages.gone_with([layout.KEEPALIVED_PACKAGE]) if name not in before]
    return dataclasses.replace(seen, surplus=came)


def _with_checks(wanted: Wanted, seen: Seen) -> Seen:
    """The places that a check has taken out, if they do not answer now either."""
    if wanted.state != model.PRESENT or not (wanted.checks and seen.keepalived_unit.active):
        return seen
    listed = options.parse_services(model.services(wanted, seen))
    suspects = health.suspects(seen.table, listed, wanted.health_failed == model.INHIBIT)
    if wanted.end_to_end and not _ways_are(wanted, seen):
        # Nobody can ask now. The watcher will, and put back what answers.
        return dataclasses.replace(seen, failing=suspects)
    how = asking.asking(wanted)
    asked = health.questions(listed, how)
    questions = list(dict.fromkeys(question for place in suspects for question in [asked[place]] if question))
    try:
        down = watch.failing(questions, how, namespace=layout.NAMESPACE if wanted.end_to_end else "")
    except BrokenExecutor:
        raise HostError(f"{layout.NAMESPACE} is no network namespace any more: restart {layout.PROBE_UNIT}.") from None
    return dataclasses.replace(seen, failing=[place for place in suspects if asked[place] in down])


def _ways_are(wanted: Wanted, seen: Seen) -> bool:
    """Whether the namespace is the one that is to be, so that a question goes through the node that it is about."""
    if wanted.health_address is None or not (seen.namespace and seen.probe_unit.active):
        return False
    return not list(plan_keepalived.probe(wanted, seen, model.device(wanted, seen)))


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
            daemons = [str(one["state"]) for one in client.daemons()]
            return dataclasses.replace(seen, table=client.read(choose), daemons=daemons)
    except ModuleMissingError:
        return seen


def _with_answers(wanted: Wanted, seen: Seen) -> Seen:
    """Whether another host has the address. For IPv6 the kernel itself asks, when the address is added."""
    device = model.device(wanted, seen)
    if wanted.state != model.PRESENT or wanted.vip.version != 4 or not device:
        return seen
    if wanted.end_to_end and wanted.health_address is not None and not _ways_are(wanted, seen):
        # Before it is ours; what has it in another namespace of this host does not hear the question.
        claimed_by = arp.probe(device, str(wanted.health_address), 2, 0.3)
        seen = dataclasses.replace(seen, claimed_by=claimed_by)
    if wanted.vrrp:
        # Another director may answer, also beside this one, which is no reason to refuse.
        peers, answered_by = _peers(wanted, device, 1, 0.3), arp.probe(device, str(wanted.vip), 2, 0.3)
        if set(answered_by) - set(peers):
            # A busy one may have been late with its own address only.
            peers = _peers(wanted, device, 3, 0.5)
        return dataclasses.replace(seen, answered_by=answered_by, peers=peers)
    if model.held_at(wanted, seen):
        return seen
    return dataclasses.replace(seen, answered_by=arp.probe(device, str(wanted.vip)))


def _peers(wanted: Wanted, device: str, count: int, wait: float) -> list[str]:
    """Hardware addresses of the other directors."""
    return [mac for peer in keepalived.peers(wanted) for mac in arp.probe(device, str(peer), count, wait)]


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
