# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses a host has, where another one belongs, and taking one off. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import typing as t

from . import commands, paths
from .errors import HostError
from .vip import Address, Place, places

__all__ = [
    "Address",
    "Place",
    "Remove",
    "hardware",
    "home_of",
    "interfaces",
    "look",
    "of_address",
    "parse",
    "source_of_route",
]


def parse(value: t.Any, what: str) -> Address:
    """An address that somebody wrote."""
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        raise HostError(f"{what} is {value!r}; it must be an IP address.") from None


def interfaces(links: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    return [link["ifname"] for link in links if "ifname" in link]


def look() -> tuple[list[str], list[Place]]:
    """The names of the interfaces, and all addresses."""
    output = commands.must(["ip", "-j", "address", "show"])
    try:
        links = json.loads(output or "[]")
    except ValueError as exc:
        raise HostError(f"ip -j address show gives no JSON ({exc}): this takes iproute2 4.12 or later.") from exc
    return interfaces(links), places(links)


def hardware(interface: str) -> str:
    """An interface's own hardware address; empty where it has none."""
    return (paths.read_text(f"/sys/class/net/{interface}/address") or "").strip()


def of_address(found: t.Iterable[Place], address: Address) -> list[Place]:
    return [place for place in found if place.address == address]


def home_of(found: t.Iterable[Place], address: Address) -> list[str]:
    """The interfaces in whose subnet the address is: none, or one, or several with an equally long prefix."""
    lengths: dict[str, int] = {}
    for place in found:
        network = ipaddress.ip_network(f"{place.address}/{place.prefix}", strict=False)
        # A single address is no subnet: the address itself looks like this once it is held.
        if network.prefixlen < network.max_prefixlen and network.version == address.version and address in network:
            lengths[place.interface] = max(lengths.get(place.interface, 0), network.prefixlen)
    return sorted(name for name, length in lengths.items() if length == max(lengths.values()))


def source_of_route(vip: str, variable: str) -> str:
    """The host's own address on its way to the virtual IP; the variable is the one that names it in its place."""
    done = commands.run(["ip", "-o", "route", "get", vip])
    found = re.search(r" src (\S+)", done.stdout)
    if found is None:
        raise HostError(
            f"This host has no route to the virtual IP {vip} ({(done.stderr or done.stdout).strip()}): give "
            f"it one, or its own address in {variable}."
        )
    return found.group(1)


@dataclasses.dataclass(frozen=True)
class Remove:
    """Take an address off an interface."""

    place: Place

    def __str__(self) -> str:
        return f"take {self.place.address}/{self.place.prefix} off {self.place.interface}"

    def run(self) -> None:
        self._ip("delete")

    def undo(self) -> t.Callable[[], None]:
        return lambda: self._ip("replace")

    def _ip(self, action: str) -> None:
        address = f"{self.place.address}/{self.place.prefix}"
        commands.must(["ip", "address", action, address, "dev", self.place.interface])
