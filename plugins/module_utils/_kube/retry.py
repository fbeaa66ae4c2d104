# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, plan, write, and again when somebody else was faster. Private to the collection."""

from __future__ import annotations

import random
import time
import typing as t

from .errors import KubeConflict, KubeError, KubeNotFound

T = t.TypeVar("T")

ATTEMPTS = 30
# How often a request is sent in all while the API server answers that it cannot take it now, and the longest wait that
# it may ask for.
SENDINGS = 5
_LONGEST_SECONDS = 30.0
_BASE_SECONDS = 0.05
_CAP_SECONDS = 2.0


class KubeRetriesExhausted(KubeError):
    """Every attempt met a conflicting change."""


def backoff(attempt: int, rng: t.Callable[[], float] = random.random) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): exponential, capped, half of it random."""
    ceiling = min(_CAP_SECONDS, _BASE_SECONDS * 2 ** min(attempt, 16))
    return ceiling / 2 + rng() * ceiling / 2


def wait_for_server(status: int, retry_after: str | None, sending: int) -> float | None:
    """Seconds to wait before the request is sent again, after sending number `sending` (from 1) was answered like
    that; None when the answer stands."""
    if sending >= SENDINGS or not (status == 429 or status >= 500):
        return None
    try:
        asked = float(retry_after or "")
    except ValueError:
        # A date, or nothing.
        asked = 0.0
    return max(backoff(sending), min(asked, _LONGEST_SECONDS))


def retry_on_conflict(
    attempt_once: t.Callable[[int], T],
    what: str,
    attempts: int = ATTEMPTS,
    sleep: t.Callable[[float], None] = time.sleep,
    rng: t.Callable[[], float] = random.random,
) -> T:
    """Call `attempt_once` (which reads, plans and writes) until no write met a concurrent change.

    The callable gets the attempt's number, from 0. A conflict on update, an object that appeared before a creation and
    one that vanished before an update or a deletion all mean the same: what was read is out of date.
    """
    last: KubeError | None = None
    for number in range(attempts):
        if number:
            sleep(backoff(number, rng))
        try:
            return attempt_once(number)
        except (KubeConflict, KubeNotFound) as exc:
            last = exc
    told = f"{what} was changed by somebody else during each of {attempts} attempts; last answer: {last}"
    raise KubeRetriesExhausted(f"{told} Find out what keeps writing to it, then run again.") from last
