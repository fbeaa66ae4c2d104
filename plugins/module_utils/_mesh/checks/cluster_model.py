# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of the cluster share: what they are told, what they say, how they wait. Private to the collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError, KubeUnreachable
from ..._kube.pods import Done
from ..._kube.resources import SERVICES
from ..generations.model import Generation
from ..register.model import Registration
from ..register.subsets import Port
from .model import CLUSTER_HOST, Finding

Mapping = t.Mapping[str, t.Any]
RunInPod = t.Callable[[str, str, str, t.Sequence[str]], Done]
"""Runs a program in a pod: namespace, pod, container, arguments."""

LONG = 300
_LOOK_SECONDS = 1.0


class Said(t.NamedTuple):
    """What a check says of a host, or of a Service."""

    check: str
    finding: Finding
    host: str = CLUSTER_HOST
    service: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return {"check": self.check, "host": self.host, "service": self.service, **self.finding.as_dict()}


@dataclasses.dataclass(frozen=True)
class Context:
    """One look at the cluster."""

    client: KubeClient
    generation: Generation
    options: Mapping
    batch: t.Sequence[Registration]
    run_in_pod: RunInPod
    # What istiod and proxies take a moment for is waited for until then.
    deadline: float
    clock: t.Callable[[], float] = time.monotonic
    sleep: t.Callable[[float], None] = time.sleep
    # By Service, its ports by name.
    _fronts: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict, init=False)

    def asked_at(self, item: Registration, port: Port) -> int:
        """The number at which clients ask for a VM's port: a Service of somebody else may have another, under the same
        name."""
        if item.label not in self._fronts:
            self._fronts[item.label] = self._front(item)
        return self._fronts[item.label].get(port.name, port.number)

    def _front(self, item: Registration) -> dict[str, int]:
        try:
            service = self.client.get(SERVICES, item.namespace, item.name)
        except KubeUnreachable:
            raise
        except KubeError:
            # Of one that cannot be read another row speaks.
            return {}
        ports = ((service or {}).get("spec") or {}).get("ports") or []
        return {str(port.get("name") or ""): int(port["port"]) for port in ports}

    def settled(self, judge: t.Callable[[], list[Said]]) -> list[Said]:
        """The first judgement without a problem, or the last one."""
        while True:
            found = judge()
            if not any(said.finding.problems for said in found) or self.clock() >= self.deadline:
                return found
            self.sleep(_LOOK_SECONDS)


def own_fault(exc: Exception) -> Finding:
    """A row's own fault; a server that does not answer is everybody's, and ends the look."""
    if isinstance(exc, KubeUnreachable):
        raise exc
    return Finding([str(exc)])
