# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says of a task that takes long, and of the longest ones at its end."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable

NAMED = 4
"""Hosts that a line names; more are counted."""


def names(hosts: t.Iterable[str]) -> str:
    """The hosts in their order, the first ones by name."""
    known = list(hosts)
    more = len(known) - NAMED
    return ", ".join(known[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclasses.dataclass
class Step:
    """One task of a run, and when it began and ended on each host; seconds of any clock that only goes forward."""

    name: str
    hosts: int
    """How many hosts are to do it."""
    begun: float
    starts: dict[str, float] = dataclasses.field(default_factory=dict)
    ends: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return max(self.ends.values(), default=self.begun) - self.begun

    @property
    def at_work(self) -> list[str]:
        return [host for host in self.starts if host not in self.ends]

    @property
    def slowest(self) -> tuple[str, float]:
        """The host that needed the most time of its own, and this time."""
        spent = {host: end - self.starts.get(host, self.begun) for host, end in self.ends.items()}
        host = max(spent, key=lambda name: spent[name])
        return host, spent[host]


class Progress:
    """Takes what happens in a run and gives the lines to show; a task shorter than `after` seconds gives none."""

    def __init__(self, after: float, longest: int, now: Callable[[], float]) -> None:
        self._after = after
        self._longest = longest
        self._now = now
        self._hosts = 0
        self._spoken = 0.0
        self._steps: list[Step] = []

    def play(self, hosts: int) -> None:
        """A play of so many hosts begins."""
        self._hosts = hosts

    def task(self, name: str, once: bool) -> None:
        """A task of the play begins."""
        self._spoken = self._now()
        self._steps.append(Step(name, 1 if once else self._hosts, self._spoken))

    def start(self, host: str) -> None:
        """A host begins with the task."""
        if self._steps:
            self._steps[-1].starts[host] = self._now()

    def end(self, host: str) -> str | None:
        """A host is done with the task, well or not; what to say now, if anything."""
        if not self._steps:
            return None
        step, now = self._steps[-1], self._now()
        step.ends[host] = now
        if now - self._spoken < self._after or len(step.ends) >= step.hosts:
            return None
        self._spoken = now
        waiting = f"; at work: {names(step.at_work)}" if step.at_work else ""
        return f"{step.name}: {len(step.ends)} of {step.hosts} hosts done after {now - step.begun:.0f} s{waiting}"

    def summary(self) -> list[str]:
        """The tasks that took longest, each with its slowest host."""
        long = [step for step in self._steps if step.ends and step.seconds >= self._after]
        long.sort(key=lambda step: -step.seconds)
        lines = []
        for step in long[: self._longest]:
            host, seconds = step.slowest
            who = f"{len(step.ends)} hosts, slowest {host} with {seconds:.0f} s" if len(step.ends) > 1 else host
            lines.append(f"{step.seconds:4.0f} s  {step.name} ({who})")
        return lines
