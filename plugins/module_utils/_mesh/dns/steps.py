# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations that only this role has: asking the new resolver. Private to the collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._host import commands, dns, dns_client
from ..._host.errors import HostError

SECONDS = 2.0
"""How long one answer is waited for."""


@dataclasses.dataclass(frozen=True)
class Probe:
    """The new resolver answers names of the mesh, of the cluster and of others, before the host is switched to it."""

    server: str
    queries: t.Sequence[t.Mapping[str, t.Any]]
    attempts: int

    def __str__(self) -> str:
        return f"ask the new resolver {self.server} for {_names(self.queries)}"

    def run(self) -> t.Iterator[None]:
        answers = []
        for query in self.queries:
            answer: dict[str, t.Any] = {}
            for answer in dns_client.tries(query, self._asker(query), self.attempts, time.sleep):
                yield
            answers.append(answer)
        problems = dns_client.said(answers)
        if problems:
            raise HostError(f"name server {self.server}: {problems}")

    def _asker(self, query: t.Mapping[str, t.Any]) -> t.Callable[[], dns.Answer]:
        def once() -> dns.Answer:
            return dns_client.ask(self.server, 53, query["name"], query["type"], query["protocol"], SECONDS)

        return once


@dataclasses.dataclass(frozen=True)
class Lookups:
    """The host looks the names up as programs do."""

    names: t.Sequence[str]

    def __str__(self) -> str:
        return f"look up {', '.join(self.names)} as programs do"

    def run(self) -> t.Iterator[None]:
        unknown = []
        for name in self.names:
            if commands.run(["getent", "ahostsv4", name]).rc != 0:
                unknown.append(name)
            yield
        if unknown:
            raise HostError(
                f"the host does not resolve {', '.join(unknown)} through the new resolv.conf; "
                "see hosts in /etc/nsswitch.conf"
            )


def _names(queries: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    return ", ".join(dict.fromkeys(str(query["name"]) for query in queries))
