# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps on a director that are not files, units, settings or addresses. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import commands
from ..._host.addresses import Address, Place, Remove
from ..._ipvs import model
from ..._ipvs.client import Client
from ..._ipvs.plan import PURGE_SERVERS, simulate, touched
from ..._ipvs.plan import Operation as Step
from ..._ipvs.reconcile import concerned, reconcile
from ..._ipvs.wanted import ABSENT, Wanted, of_entry
from . import layout

# The tests' kernel takes its place.
connect: t.Callable[..., Client] = Client.open


@dataclasses.dataclass(frozen=True)
class LoadTable:
    """Make the kernel's table what is wanted. The steps are what was planned: another look decides what is done."""

    wanted: t.Sequence[Wanted]
    purge: str
    vips: t.Sequence[bytes]
    steps: t.Sequence[Step]

    def __str__(self) -> str:
        return f"load the table ({len(self.steps)} steps, the first is {self.steps[0]})"

    def run(self) -> None:
        with connect() as client:
            reconcile(client, self.wanted, self.purge, self.vips)

    def undo(self) -> t.Callable[[], None]:
        """The part of the table that the steps are about, as it is now."""
        with connect() as client:
            before = client.read(concerned(self.wanted, self.purge, self.vips))
        new = [one for one in self.wanted if one.service.key not in before]
        keys = {one.service.key for one in self.wanted} | {step.service.key for step in self.steps}
        back = [of_entry(entry) for key, entry in before.items() if key in keys]
        back += [Wanted(one.service, None, ABSENT) for one in new]

        def undo() -> None:
            with connect() as client:
                reconcile(client, back, PURGE_SERVERS)

        return undo


@dataclasses.dataclass(frozen=True)
class Hold:
    """Add the virtual address with the program that holds it after a boot, and tell the neighbours."""

    vip: Address
    device: str
    python: str

    def __str__(self) -> str:
        return f"hold {self.vip}/{self.vip.max_prefixlen} on {self.device}"

    def run(self) -> None:
        program = f"{layout.PACKAGE}/vip.py"
        commands.must([self.python, program, "hold", str(self.vip), self.device], seconds=90)

    def undo(self) -> t.Callable[[], None]:
        # It was not there; the kernel may have it although another host was found to answer for it.
        place = Place(self.device, self.vip, self.vip.max_prefixlen)
        remove = Remove(place)
        return lambda: remove.run() if commands.run(_is_on(place)).stdout.strip() else None


def _is_on(place: Place) -> list[str]:
    return ["ip", "-o", "address", "show", "dev", place.interface, "to", str(place.address)]


def lines(operations: t.Iterable[t.Any]) -> list[str]:
    """The operations for people; of the table each step, as the command line of ipvsadm that does the same."""
    found: list[str] = []
    for operation in operations:
        found += [str(step) for step in operation.steps] if isinstance(operation, LoadTable) else [str(operation)]
    return found


def table_diff(operations: t.Iterable[t.Any], table: model.Table) -> list[dict[str, str]]:
    """The table before and after, as far as it changes."""
    shown = []
    for operation in operations:
        if isinstance(operation, LoadTable):
            keys = touched(operation.steps)
            texts = [
                "".join(f"{line}\n" for line in model.lines(one, keys))
                for one in (table, simulate(table, operation.steps))
            ]
            headers = {"before_header": "IPVS table", "after_header": "IPVS table"}
            shown.append({**headers, "before": texts[0], "after": texts[1]})
    return shown
