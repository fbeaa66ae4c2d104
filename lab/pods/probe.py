# Part of the lab's stand-in for the kubelet: probes.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""startupProbe, readinessProbe and livenessProbe: how often, and what follows from the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lab.pods import actions

Json = dict[str, Any]
EAGER = 0.2
"""Seconds between probes until the first success: a lab should not wait for a whole period."""


@dataclass(frozen=True)
class Probe:
    action: actions.Action
    delay: float
    period: float
    timeout: float
    failures: int
    successes: int


def parse(container: Json, kind: str) -> Probe | None:
    """The container's probe of that kind; None when it has none."""
    spec = container.get(kind)
    if spec is None:
        return None
    return Probe(
        action=actions.parse(container, kind, spec),
        delay=spec.get("initialDelaySeconds", 0),
        period=spec.get("periodSeconds", 10),
        timeout=spec.get("timeoutSeconds", 1),
        failures=spec.get("failureThreshold", 3),
        successes=spec.get("successThreshold", 1),
    )


async def verdicts(probe: Probe, attempt: Callable[[], Awaitable[bool]], eager: bool) -> AsyncIterator[bool]:
    """True whenever enough tries in a row succeeded, False whenever enough failed.

    Eager tries before the first success count as the part of a period that they take.
    """
    await asyncio.sleep(probe.delay)
    good, bad = 0, 0.0
    pause = min(EAGER, probe.period) if eager else probe.period
    while True:
        if await attempt():
            good, bad = good + 1, 0.0
        else:
            good, bad = 0, bad + pause / probe.period
        if good >= probe.successes:
            pause = probe.period
            yield True
        elif bad > probe.failures - pause / probe.period / 2:
            yield False
        await asyncio.sleep(pause)
