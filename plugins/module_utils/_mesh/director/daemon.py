# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps on a director that are about keepalived itself. Private to the collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._host import addresses, arp, commands, systemd
from ..._host.addresses import Address
from ..._host.errors import HostError
from . import layout, operations

SECONDS = 600
# For the address to be held by one of the directors, or by another one.
PATIENCE = 15.0
_APT = ("apt-get", "--yes", "-o", "DPkg::Lock::Timeout=120")


@dataclasses.dataclass(frozen=True)
class Install:
    """Install a package; the lists of packages are renewed where it cannot be found."""

    name: str

    def __str__(self) -> str:
        return f"install the package {self.name}"

    def run(self) -> None:
        argv = [*_APT, "--no-install-recommends", "install", "--", self.name]
        if commands.run(argv, seconds=SECONDS).rc != 0:
            commands.must([*_APT, "update"], seconds=SECONDS)
            commands.must(argv, seconds=SECONDS)

    def undo(self) -> t.Callable[[], None]:
        return Purge((self.name,)).run


@dataclasses.dataclass(frozen=True)
class Purge:
    """Remove packages that the role brought, with their settings."""

    names: t.Sequence[str]

    def __str__(self) -> str:
        return f"purge the packages {', '.join(self.names)}"

    def run(self) -> None:
        commands.must([*_APT, "purge", "--", *self.names], seconds=SECONDS)


@dataclasses.dataclass(frozen=True)
class Detach:
    """End keepalived without a farewell: the address and the table stay as they are, for whoever holds them next."""

    def __str__(self) -> str:
        return "end keepalived, and leave address and table in place"

    def run(self) -> None:
        # Its processes ask the kernel for a SIGTERM when the first of them dies, and take the address off on that, if
        # they are faster than the next signal. One that is stopped gets nothing but a SIGKILL.
        for name in ("STOP", "KILL"):
            commands.must(["systemctl", "kill", f"--signal={name}", "--", layout.KEEPALIVED_UNIT])
        end = time.monotonic() + PATIENCE
        while systemd.look([layout.KEEPALIVED_UNIT])[layout.KEEPALIVED_UNIT].active and time.monotonic() < end:
            time.sleep(0.1)
        # Or systemd would start it by itself, and with it a synchronisation that is not to be ended.
        systemd.act("stop", layout.KEEPALIVED_UNIT)
        commands.run(["systemctl", "reset-failed", "--", layout.KEEPALIVED_UNIT])
        with operations.connect() as client:
            client.stop_daemons()

    def undo(self) -> t.Callable[[], None]:
        return lambda: systemd.act("start", layout.KEEPALIVED_UNIT)


@dataclasses.dataclass(frozen=True)
class StopSynchronisation:
    """keepalived leaves it running when its configuration has none any more."""

    def __str__(self) -> str:
        return "stop the kernel's synchronisation of connections"

    def run(self) -> None:
        with operations.connect() as client:
            client.stop_daemons()


@dataclasses.dataclass(frozen=True)
class Settle:
    """Wait until the address is held: here, or by another director."""

    vip: Address
    device: str
    # For a director that is to hold it no longer.
    elsewhere: bool = False

    def __str__(self) -> str:
        where = "by another director" if self.elsewhere else "by one of the directors"
        return f"wait until {self.vip} is held {where}"

    def run(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            _interfaces, places = addresses.look()
            here = bool(addresses.of_address(places, self.vip))
            if here and not self.elsewhere:
                return
            # For IPv6 there is no such question; then it is enough that it has gone.
            if not here and (self.vip.version != 4 or arp.probe(self.device, str(self.vip), 1, 0.3)):
                return
            time.sleep(0.1)
        raise HostError(
            f"nobody does after {PATIENCE:.0f} s. See journalctl -u keepalived on the directors: adverts of VRRP "
            "(protocol 112) must get from each of them to the others"
        )
