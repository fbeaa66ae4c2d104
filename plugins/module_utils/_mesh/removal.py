# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the end of leave.yml and teardown.yml says: who is as before, what is left over and why, what to run next. Pure.

Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .exposure.services import LABEL_SELECTOR
from .unseen import Look, unreachable, unseen

# What is left in the cluster where a part's own failure does not say it.
_OBJECTS = {
    "registration": "what the VMs are registered by",
    "mesh_policy": "the settings in the mesh configuration, with the annotation mesh.expansion/mesh-settings",
    "network_label": "the label of the pods' network, on what has the annotation mesh.expansion/network-label",
    "exposure": f"the Services of all namespaces with the labels {LABEL_SELECTOR}",
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run came to, by host of the inventory and by part of the work on the API."""

    # What each host answered at the beginning, a module's result.
    seen: t.Mapping[str, Look]
    # Hosts whose part was done, and those where it failed, with the reason.
    done: t.Sequence[str] = ()
    failed: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Hosts that dropped out on the way.
    lost: t.Sequence[str] = ()
    # VMs that are not registered any more.
    out: t.Sequence[str] = ()
    # The failures of what was done through the API, modules' results.
    api: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    # What else is to be said.
    notes: t.Sequence[str] = ()
    # The command, the hosts that it was limited to, and what comes after it.
    command: str = ""
    limit: str = ""
    then: str = ""
    check_mode: bool = False

    def left_hosts(self) -> dict[str, str]:
        """Hosts that are not as before, and why."""
        found = {
            name: f"{unseen(name, look)} What is on it stays." for name, look in self.seen.items() if _silent(look)
        }
        for name in self.lost:
            found.setdefault(name, f"{name}: it failed, or could not be reached any more, as is shown above.")
        return {**found, **{name: f"{name}: {text}" for name, text in self.failed.items()}}

    def next(self) -> str:
        """The command for what is left; the API's part is done for the hosts that the run was about."""
        left = list(self.left_hosts())
        if not left and not self.api:
            return self.then
        limit = self.limit if self.api else ",".join(left)
        return f"Next, when that is mended: {self.command}{f' -l {limit}' if limit else ''}"

    def lines(self) -> list[str]:
        parts = {"As before": self.done, "Not registered any more": self.out}
        return [
            *(["This is what would be done; with --check nothing is changed."] if self.check_mode else []),
            *(f"{what}: {', '.join(hosts)}." for what, hosts in parts.items() if hosts),
            *self.left_hosts().values(),
            *(_left_in_api(part, result) for part, result in self.api.items()),
            *self.notes,
            *([self.next()] if self.next() else []),
        ]

    def left(self) -> list[str]:
        return [*self.left_hosts(), *(["the Kubernetes API"] if self.api else [])]


def _silent(look: Look) -> bool:
    return bool(not look or unreachable(look) or look.get("msg"))


def _left_in_api(part: str, result: t.Mapping[str, t.Any]) -> str:
    objects = ", ".join(result.get("left") or []) or _OBJECTS[part]
    return f"Left over in the Kubernetes API: {objects}. {str(result.get('msg') or 'No reason is given.').strip()}"
