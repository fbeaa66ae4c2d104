# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for a VM's sidecar to be what its settings say: a pure function. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import re
import time
import typing as t

from ..._host import accounts, paths, systemd
from ..._host.change import Operation, Put, Reread, Unit
from ..._host.errors import HostError
from ..._host.paths import PathState
from . import layout, look, move, tracking
from .layout import Layout
from .look import Seen
from .move import Arrival
from .removal import Uncapture
from .settings import Settings

# In cluster.env, which the unit's start script reads.
_NAMES = re.compile(rb"^ISTIO_META_DNS_CAPTURE=['\"]?true", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Own:
    """Give paths to the sidecar's account."""

    paths: t.Sequence[str]

    def __str__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        return f"give {self.paths[0]}{more} to {layout.USER}"

    def run(self) -> None:
        uid = accounts.uid_of(layout.USER)
        for path in self.paths:
            # What has gone in the meantime needs no owner.
            if os.path.lexists(path):
                os.lchown(path, uid, -1)


@dataclasses.dataclass(frozen=True)
class Await:
    """Wait for Envoy's first configuration, and look whether the units run. Changes nothing."""

    timeout: int
    istio_namespace: str
    made: Layout

    def __str__(self) -> str:
        return "wait until Envoy has its configuration"

    def run(self) -> t.Iterator[None]:
        end = time.monotonic() + self.timeout
        said = look.state_of(self.made)
        while said != look.LIVE and time.monotonic() < end:
            # The guard waits less than this may take.
            yield
            time.sleep(0.5)
            said = look.state_of(self.made)
        states = {name: state.state for name, state in systemd.look(self.made.units).items()}
        if said != look.LIVE or set(states.values()) != {"active"}:
            raise HostError(self.failure(said, states))

    def failure(self, said: str, states: t.Mapping[str, str]) -> str:
        units = ", ".join(f"{name} is {state}" for name, state in states.items())
        return (
            f"the sidecar does not work after {self.timeout} s: Envoy is {said}; {units}. Next, on that host: "
            + self.made.hint.format(istio_namespace=self.istio_namespace)
        )


def plan(seen: Seen, settings: Settings, restart: bool = False, arrival: Arrival = move.NOTHING) -> list[Operation]:
    """In order. ``restart``: something that is not looked at here has changed, the identity."""
    made = settings.layout
    moves = seen.former is not None
    files = list(_bootstrapped(seen, settings) if made.bootstrapped else _files(seen, settings))
    operations: list[Operation] = move.leave(seen, settings, arrival) if moves else move.without_identity(made, arrival)
    operations += files
    restart = restart or any(made.is_setting(put.path) for put in files) or bool(seen.newer) or not seen.version
    restart = restart or moves
    if seen.foreign:
        operations.append(Own(tuple(seen.foreign)))
    if restart:
        operations.append(Reread())
    operations += [Unit("enable", name) for name in made.units if not seen.unit(name).enabled]
    memory = seen.at(layout.SHARED_MEMORY)
    if memory.kind != paths.ABSENT and memory.owner != layout.USER and not seen.envoy_runs:
        # An earlier sidecar's account is gone, or its number belongs to another one by now: Envoy could not replace its
        # file, and would not start.
        operations.append(Put(layout.SHARED_MEMORY, paths.NOTHING))
    # Only the first rules of all cut what is there, and they come with the unit.
    captures = made.bootstrapped and (moves or not seen.unit(layout.SIDECAR_UNIT).active)
    if restart and made.bootstrapped and _captures_names(seen) and not _captures_names(seen, files):
        # The start script takes out the rules that its settings of now would have made, and those of names stay.
        operations += map(Uncapture, made.filters)
        captures = True
    if captures:
        operations.append(tracking.Track(made.filters))
    if restart:
        operations += [Unit("restart", name) for name in made.units]
    else:
        operations += [Unit("start", name) for name in made.units if not seen.unit(name).active]
    if operations or seen.envoy != look.LIVE:
        operations.append(Await(settings.timeout, settings.istio_namespace, made))
    if captures:
        operations.append(tracking.Untrack(made.filters))
    return operations


def _captures_names(seen: Seen, files: t.Sequence[Put] = ()) -> bool:
    """Whether DNS queries are captured, by the settings that are there, or by those that will be."""
    will = {put.path: put.wanted for put in files}
    return bool(_NAMES.search(will.get(layout.CLUSTER_ENV, seen.at(layout.CLUSTER_ENV)).content or b""))


def _files(seen: Seen, settings: Settings) -> t.Iterator[Put]:
    is_text = (seen.at(layout.SIDECAR_ENV).content or b"").decode("utf-8", "surrogateescape")
    for path, text in (
        (layout.CLUSTER_ENV, settings.cluster_text()),
        (layout.SIDECAR_ENV, settings.sidecar_text(is_text, seen.address)),
    ):
        content = text.encode("utf-8", "surrogateescape")
        wanted = PathState(paths.FILE, layout.USER, layout.USER, "0644", content)
        if seen.at(path) != wanted:
            yield Put(path, wanted)


LOGROTATE_TEXT = f"""\
# Managed by mesh.expansion.
{layout.LOGS}/*.log {{
    su {layout.USER} {layout.USER}
    daily
    maxsize 50M
    rotate 7
    compress
    missingok
    notifempty
    # The sidecar keeps its files open.
    copytruncate
}}
"""


def _bootstrapped(seen: Seen, settings: Settings) -> t.Iterator[Put]:
    logrotate = {layout.LOGROTATE: paths.text_file(LOGROTATE_TEXT)} if seen.rotates else {}
    for path, wanted in {**settings.files, **logrotate}.items():
        if seen.at(path) != wanted:
            yield Put(path, wanted)


def changes(operations: t.Sequence[Operation]) -> bool:
    """Whether any of them changes something: waiting does not."""
    return any(not isinstance(operation, Await) for operation in operations)
