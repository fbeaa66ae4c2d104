# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, plan, apply, until the table is as wanted. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from . import model
from .client import Client, Report, explain, is_race
from .drain import Drained, Progress, wait_drained, without_drained
from .errors import ApplyError, IpvsError
from .plan import PURGE_ALL, PURGE_SERVERS, PURGE_SERVICES, Operation, plan, simulate
from .wanted import Wanted

ROUNDS = 5


@dataclasses.dataclass
class Outcome:
    """The table before and after, and the operations that led from one to the other (or would, if it is predicted)."""

    before: model.Table
    after: model.Table
    operations: list[Operation]
    drained: list[Drained] = dataclasses.field(default_factory=list)


def concerned(
    wanted: t.Sequence[Wanted], purge: str, vips: t.Collection[bytes]
) -> t.Callable[[model.ServiceKey], bool]:
    """Which services' real servers have to be known for a plan."""
    keys = {one.service.key for one in wanted}

    def choose(key: model.ServiceKey) -> bool:
        return key in keys or purge == PURGE_ALL or (purge == PURGE_SERVICES and key.address in vips)

    return choose


def predict(
    actual: model.Table,
    wanted: t.Sequence[Wanted],
    purge: str = PURGE_SERVERS,
    vips: t.Collection[bytes] = (),
    drain_remove: bool = False,
) -> Outcome:
    """What a run would do. Pure."""
    operations = plan(actual, wanted, purge, vips)
    after = simulate(actual, operations)
    if drain_remove:
        removal = plan(after, without_drained(wanted), purge, vips)
        operations, after = operations + removal, simulate(after, removal)
    return Outcome(actual, after, operations)


def reconcile(
    client: Client, wanted: t.Sequence[Wanted], purge: str = PURGE_SERVERS, vips: t.Collection[bytes] = ()
) -> Outcome:
    """Another writer may change the table in between: then it is read again, some times."""
    choose = concerned(wanted, purge, vips)
    before = actual = client.read(choose)
    done: list[Operation] = []
    for _round in range(ROUNDS):
        operations = plan(actual, wanted, purge, vips)
        if not operations:
            return Outcome(before, actual, done)
        report = client.apply(operations)
        done += report.applied
        if any(not is_race(operation, number) for operation, number in report.failed):
            raise _failure(done, report)
        if not report.failed and not report.unknown:
            return Outcome(before, simulate(actual, operations), done)
        actual = _second_look(client, choose, done, report)
        # What is not planned again has been done, though the replies were lost.
        left = plan(actual, wanted, purge, vips)
        again = set(left)
        done += [operation for operation in report.unknown if operation not in again]
        if report.broken is not None:
            message = f"{report.broken} ({len(done)} operations applied, {len(left)} not applied because of it)"
            raise ApplyError(message, applied=done, not_applied=left)
    raise ApplyError(
        (
            f"another writer changes the same entries all the time: gave up after {ROUNDS} attempts; "
            "find it (keepalived, kube-proxy, a script) and stop it"
        ),
        applied=done,
        not_applied=plan(actual, wanted, purge, vips),
    )


def _second_look(
    client: Client, choose: t.Callable[[model.ServiceKey], bool], done: t.Sequence[Operation], report: Report
) -> dict[model.ServiceKey, model.Entry]:
    """What was applied is told, also when it cannot be read again."""
    try:
        return client.read(choose)
    except IpvsError as exc:
        told = f"{report.broken}; " if report.broken else ""
        message = f"{told}{exc} ({len(done)} operations applied, of {len(report.unknown)} it is not known)"
        raise ApplyError(message, applied=done, not_applied=report.not_applied, unknown=report.unknown) from exc


def _failure(done: t.Sequence[Operation], report: Report) -> ApplyError:
    reasons = [(operation, explain(operation, number)) for operation, number in report.failed]
    # A race beside it is not what has to be repaired.
    first = next(index for index, (operation, number) in enumerate(report.failed) if not is_race(operation, number))
    more = f"; {len(reasons) - 1} more failed" if len(reasons) > 1 else ""
    left = len(report.not_applied)
    message = (
        f"{reasons[first][0]}: {reasons[first][1]} ({len(done)} operations applied, {left} not "
        f"applied because of it{more})"
    )
    return ApplyError(message, applied=done, failed=reasons, not_applied=report.not_applied, unknown=report.unknown)


def converge(
    client: Client,
    wanted: t.Sequence[Wanted],
    purge: str = PURGE_SERVERS,
    vips: t.Collection[bytes] = (),
    drain_timeout: float = 0,
    drain_remove: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Reconciles, waits for drained servers, and removes them if they are to be removed."""
    outcome = reconcile(client, wanted, purge, vips)
    try:
        drained = wait_drained(client.read_states, wanted, drain_timeout, progress)
        if not drained:
            return outcome
        last = (
            reconcile(client, without_drained(wanted), purge, vips)
            if drain_remove
            else Outcome(outcome.after, outcome.after, [])
        )
    except ApplyError as exc:
        exc.applied = outcome.operations + exc.applied
        raise
    except IpvsError as exc:
        raise ApplyError(str(exc), applied=outcome.operations) from exc
    return Outcome(outcome.before, last.after, outcome.operations + last.operations, drained)
