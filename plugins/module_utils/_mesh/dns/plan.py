# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done on a VM so that it resolves the mesh's names. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import change, guard, paths
from ..._host.change import Operation, Put, Reread, Unit
from ..._host.footprint import Footprint
from ..._host.paths import DIRECTORY, PathState
from .. import resolver
from ..errors import MeshError
from . import files
from .look import Seen
from .settings import Settings
from .steps import Lookups, Probe

_VALIDATE = ("dnsmasq", "--test", "--conf-file=%s")


def missing_packages(seen: Seen, settings: Settings) -> list[str]:
    there = seen.installed()
    return [name for name in settings.packages if name not in there]


def original_text(seen: Seen) -> str:
    """What resolv.conf said before the role: that of a joined host names dnsmasq and its fallback only."""
    return seen.footprint.more["resolv_conf_text"] if seen.footprint else seen.texts[files.RESOLV_CONF]


def upstreams(seen: Seen, settings: Settings) -> list[str]:
    """The name servers for all other names: of before, from the first file that names any."""
    if settings.upstreams:
        return list(settings.upstreams)
    for text in (original_text(seen), *(seen.texts[path] for path in files.BEHIND_STUBS)):
        found = [server for server in resolver.nameservers(text) if server != settings.listen_address]
        if found:
            return found
    looked_at = ", ".join((files.RESOLV_CONF, *files.BEHIND_STUBS))
    raise MeshError(
        f"this host has no name server other than loopback ones in {looked_at}: "
        "list the site's name servers in mesh_upstream_dns (dnsmasq_upstreams)"
    )


def footprint(seen: Seen, settings: Settings) -> Footprint:
    """What the host was like before the role, and what the role makes of its hosts file: so our lines are told."""
    was = seen.footprint or Footprint(
        role=files.ROLE,
        paths=dict(seen.paths),
        packages=tuple(seen.installed()),
        accounts={files.ACCOUNT: seen.account},
        units={files.UNIT: seen.units[files.UNIT].as_dict()},
        more={"resolv_conf_text": original_text(seen)},
    )
    written = files.hosts_text(_content(_was(was, files.HOSTS)), seen.address, seen.hostname)
    return dataclasses.replace(was, more={**was.more, "hosts_written": written})


def join(seen: Seen, settings: Settings) -> list[Operation]:
    """Nothing, or all of it in order; the packages are there. The host is switched only to a resolver that answers."""
    servers = upstreams(seen, settings)
    resolver_steps = _resolver(seen, settings, servers)
    owners = _owners(seen, settings)
    hosts = paths.text_file(files.hosts_text(_content(seen.paths[files.HOSTS]), seen.address, seen.hostname))
    resolv_conf = paths.text_file(files.resolv_conf_text(settings, servers, original_text(seen)))
    switch = [*_put(seen, files.HOSTS, hosts), *_put(seen, files.RESOLV_CONF, resolv_conf)]
    if not (resolver_steps or owners or switch):
        return []
    names = list(dict.fromkeys(query["name"] for query in settings.probe_names if not query["empty"]))
    probe: list[Operation] = []
    if settings.probe_names:
        probe = [Probe(settings.listen_address, settings.probe_names, settings.probe_attempts)]
    lookups: list[Operation] = [Lookups(names)] if names else []
    return [*resolver_steps, *probe, *owners, *switch, *lookups]


def _put(seen: Seen, path: str, wanted: PathState, validate: t.Sequence[str] = ()) -> list[Operation]:
    return [] if seen.paths[path] == wanted else [Put(path, wanted, validate)]


def _resolver(seen: Seen, settings: Settings, servers: t.Sequence[str]) -> list[Operation]:
    configuration = [
        *_put(seen, files.CONF_DIR, paths.directory()),
        *_put(seen, files.UNIT_DIR, paths.directory()),
        *_put(seen, files.KUBEDNS, paths.text_file(files.kubedns_text(settings)), _VALIDATE),
        *_put(seen, files.OPTIONS, paths.text_file(files.options_text(settings, servers)), _VALIDATE),
        *_put(seen, files.DROP_IN, paths.text_file(files.DROP_IN_TEXT)),
    ]
    steps = list(configuration)
    unit = seen.units[files.UNIT]
    # SIGHUP does not make it read its options again.
    restart = bool(configuration) or seen.newer
    if restart:
        # Also for a run that was cut after it had written the drop-in.
        steps.append(Reread())
    if not unit.enabled:
        steps.append(Unit("enable", files.UNIT))
    if restart or not unit.active:
        steps.append(Unit("restart" if restart else "start", files.UNIT))
    return steps


def _owners(seen: Seen, settings: Settings) -> list[Operation]:
    steps: list[Operation] = []
    for owner in files.OWNERS:
        if owner.name in seen.owners:
            folder = owner.path.rpartition("/")[0]
            if folder in seen.paths and seen.paths[folder].kind != DIRECTORY:
                steps.append(Put(folder, paths.directory()))
            puts = _put(seen, owner.path, paths.text_file(files.owner_text(owner, settings)))
            steps += puts + (_told(seen, owner) if puts else [])
    return steps


def _told(seen: Seen, owner: files.Owner) -> list[Operation]:
    return [Unit(owner.action, owner.unit)] if owner.unit and seen.units[owner.unit].active else []


def leave(seen: Seen) -> list[Operation]:
    """Everything but the packages back to how it was, in an order in which the host always resolves."""
    was = seen.footprint
    if was is None:
        return []
    steps: list[Operation] = []
    for owner in files.OWNERS:
        puts = _put(seen, owner.path, _was(was, owner.path))
        steps += puts + (_told(seen, owner) if puts else [])
    steps += _put(seen, files.RESOLV_CONF, _was(was, files.RESOLV_CONF))
    steps += _put(seen, files.HOSTS, _hosts_back(seen, was))
    configuration: list[Operation] = []
    for path in (files.KUBEDNS, files.OPTIONS, files.DROP_IN):
        configuration += _put(seen, path, _was(was, path))
    steps += configuration + _unit_back(seen, was, bool(configuration))
    for folder in files.DIRECTORIES:
        # That of dnsmasq's options is the package's, and may go with it.
        if not was.existed(folder) and folder != files.CONF_DIR:
            steps += _put(seen, folder, paths.NOTHING)
    return steps


def _hosts_back(seen: Seen, was: Footprint) -> PathState:
    """As it was; lines that somebody else put into it since then stay."""
    now, before, written = seen.paths[files.HOSTS], _was(was, files.HOSTS), was.more.get("hosts_written")
    if written is None or now == before or _content(now).rstrip("\r\n") == written.rstrip("\r\n"):
        return before
    return paths.text_file(resolver.hosts_restored(_content(now), written, _content(before)))


def _unit_back(seen: Seen, was: Footprint, changed: bool) -> list[Operation]:
    """An earlier dnsmasq runs as it ran before; one of ours goes with its package."""
    steps: list[Operation] = [Reread()] if changed else []
    if "dnsmasq" not in was.packages:
        return steps
    before, now = was.units[files.UNIT], seen.units[files.UNIT]
    if before["enabled"] != now.enabled:
        steps.append(Unit("enable" if before["enabled"] else "disable", files.UNIT))
    if before["active"] and (changed or not now.active):
        steps.append(Unit("restart", files.UNIT))
    elif not before["active"] and now.active:
        steps.append(Unit("stop", files.UNIT))
    return steps


def brought(seen: Seen, packages: t.Sequence[str]) -> list[str]:
    """Those of the role's packages that were not there before it, and of which something is there now."""
    if seen.footprint is None:
        return []
    return [name for name in packages if name not in seen.footprint.packages and name in seen.packages]


def last(seen: Seen) -> list[Operation]:
    """What goes when the packages have gone."""
    was = seen.footprint
    if was is None:
        return []
    steps: list[Operation] = []
    # The purge of dnsmasq-base leaves it behind.
    if seen.account and not was.accounts[files.ACCOUNT] and "dnsmasq" not in was.packages:
        steps.append(change.Program(["userdel", files.ACCOUNT]))
    if not was.existed(files.CONF_DIR):
        steps += _put(seen, files.CONF_DIR, paths.NOTHING)
    return steps


def before(seen: Seen, operations: t.Sequence[Operation]) -> guard.Before:
    """What the guard puts back when these operations do not come to their end."""
    touched = change.touched(operations)
    # They learn of their file's end as they learn of its coming.
    told = [
        ["systemctl", owner.action, owner.unit]
        for owner in files.OWNERS
        if owner.path in touched and owner.unit and seen.units[owner.unit].active
    ]
    return guard.Before(
        paths={path: seen.paths[path] for path in touched},
        units={files.UNIT: seen.units[files.UNIT].as_dict()},
        last=told,
    )


def _was(kept: Footprint, path: str) -> PathState:
    return kept.paths.get(path, paths.NOTHING)


def _content(state: PathState) -> str:
    return (state.content or b"").decode("utf-8", "surrogateescape")
