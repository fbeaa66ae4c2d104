# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks, decides and applies: what the modules do. Private to the collection."""

from __future__ import annotations

import dataclasses
import os
import typing as t

from ..._host import change, footprint, guard, packages
from ..._host.change import Operation
from ..._host.errors import HostError
from ..._host.paths import PathState
from . import files, former, plan
from .look import Seen, look
from .settings import Settings, parse

After = t.Optional[t.Callable[[Operation], None]]
_CUT = "put back what a run that was cut has changed"
_CONVERT = "bring the record of before into the form of this release"
_FORGET = "forget how the host was before"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was done, or would be."""

    texts: t.Sequence[str]
    operations: t.Sequence[Operation] = ()
    actual: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    joined: bool = False
    upstreams: t.Sequence[str] = ()
    # To be installed, or to be purged.
    packages: t.Sequence[str] = ()
    # Whether the host still remembers how it was.
    remembered: bool = False


def report(options: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """What the module dnsmasq_look returns."""
    if options["state"] == "absent":
        leaving = would_leave(options["packages"])
        shown = {"surplus_packages": list(leaving.packages)}
        return {"changed": False, "operations": list(leaving.texts), "joined": leaving.joined, **shown}
    joining = would_join(parse(options), remember=options["remember"] and not check)
    return {
        "changed": joining.remembered and not joining.joined,
        "operations": list(joining.texts),
        "joined": joining.joined,
        "missing_packages": list(joining.packages),
        "upstreams": list(joining.upstreams),
    }


def would_join(settings: Settings, remember: bool = False) -> Outcome:
    """C(remember): write down how the host is when packages are about to come, which change it for the first time."""
    seen = look(settings)
    outcome = _joining(seen, settings, plan.join(seen, settings))
    if remember and outcome.packages and not outcome.joined:
        _remember(seen, settings)
        return dataclasses.replace(outcome, remembered=True)
    return outcome


def _joining(seen: Seen, settings: Settings, operations: t.Sequence[Operation], cut: bool = False) -> Outcome:
    return Outcome(
        texts=[
            *([_CUT] if cut or seen.pending else []),
            *([_CONVERT] if seen.former else []),
            *(str(operation) for operation in operations),
        ],
        operations=operations,
        actual=seen.paths,
        joined=seen.footprint is not None,
        upstreams=plan.upstreams(seen, settings),
        packages=plan.missing_packages(seen, settings),
        remembered=seen.footprint is not None,
    )


def _remember(seen: Seen, settings: Settings) -> None:
    """Write down how the host is, unless that is known. How it was before the role is never written anew."""
    kept = plan.footprint(seen, settings)
    if kept != seen.footprint or seen.former:
        footprint.save(kept)
        former.remove()


def join(settings: Settings, after: After = None) -> Outcome:
    """All of it, or the host is as it was before. The guard's timer runs until the run has proved itself."""
    cut = guard.undo_cut(files.ROLE)
    seen = look(settings)
    operations = plan.join(seen, settings)
    outcome = _joining(seen, settings, operations, cut)
    if outcome.packages:
        raise HostError(f"The packages {', '.join(outcome.packages)} are not installed: install them first.")
    if outcome.texts:
        _remember(seen, settings)
    if operations:
        change.apply(files.ROLE, operations, plan.before(seen, operations), after)
    return dataclasses.replace(outcome, remembered=True)


def would_leave(names: t.Sequence[str]) -> Outcome:
    seen = look(None)
    return _leaving(seen, names, plan.leave(seen))


def _leaving(seen: Seen, names: t.Sequence[str], operations: t.Sequence[Operation], cut: bool = False) -> Outcome:
    ours = plan.brought(seen, names)
    there = seen.footprint.packages if seen.footprint else ()
    # What came along as a dependency, and nothing that was there before or that something else needs by now.
    came_along = [name for name in packages.gone_with(ours) if name not in there and name not in ours]
    ends = not operations and not ours and _is_anything_kept()
    final = plan.last(seen) if ends else []
    return Outcome(
        texts=[
            *([_CUT] if cut or seen.pending else []),
            *(str(operation) for operation in (*operations, *final)),
            *([_FORGET] if ends else []),
        ],
        operations=operations or final,
        actual=seen.paths,
        joined=seen.footprint is not None,
        packages=[*ours, *came_along],
        remembered=seen.footprint is not None and not ends,
    )


def leave(names: t.Sequence[str], after: After = None) -> Outcome:
    """Everything but the packages as it was; once they are gone too, the next call forgets how that was."""
    cut = guard.undo_cut(files.ROLE)
    seen = look(None)
    operations = plan.leave(seen)
    outcome = _leaving(seen, names, operations, cut)
    if operations:
        change.apply(files.ROLE, operations, plan.before(seen, operations), after)
    elif _FORGET in outcome.texts:
        for operation in outcome.operations:
            change.finish(operation)
        footprint.forget(files.ROLE)
    return outcome


def _is_anything_kept() -> bool:
    return os.path.isdir(footprint.directory(files.ROLE))


def explain(error: Exception, vip: str) -> str:
    """For a person: what failed, how the host is now, and what to look at next."""
    now = "Name resolution is as it was before this run."
    if isinstance(error, change.Broken) and not error.restored:
        now = f"Name resolution is not as it was: run sh {guard.place(files.ROLE)}/restore.sh on that host."
    hint = f" If cluster names do not answer: does the director forward {vip}:53, and does kube-dns run?" if vip else ""
    text = str(error).rstrip(".")
    return f"dnsmasq: {text}. {now} Next, on that host: journalctl -u dnsmasq -n 50.{hint}"
