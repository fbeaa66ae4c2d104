# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP connections that others have to this host, as the kernel lists them. Private to the collection."""

from __future__ import annotations

import ipaddress
import sys
import typing as t
from pathlib import Path

from . import addresses
from .vip import Address

_FILES = ("/proc/net/tcp", "/proc/net/tcp6")
# Established, and half closed by the other side: something may still be on its way.
_OPEN = ("01", "08")


class Connection(t.NamedTuple):
    """As seen from this host."""

    port: int
    peer: Address

    def __str__(self) -> str:
        return f"{self.peer} to port {self.port}"


def parse(text: str, byteorder: str = sys.byteorder) -> list[Connection]:
    """The lines of C(/proc/net/tcp) or C(/proc/net/tcp6) whose connection is open."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] in _OPEN:
            found.append(Connection(int(fields[1].rpartition(":")[2], 16), _address(fields[2], byteorder)))
    return found


def _address(field: str, byteorder: str) -> Address:
    """The kernel writes each word of an address as a number of its own."""
    text = field.rpartition(":")[0]
    words = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    raw = b"".join(word.to_bytes(4, "little" if byteorder == "little" else "big") for word in words)
    found = ipaddress.ip_address(raw)
    return getattr(found, "ipv4_mapped", None) or found


def from_others(ports: t.Collection[int]) -> list[Connection]:
    """Those to these ports that do not come from this host itself."""
    own = {place.address for place in addresses.look()[1]}
    every = [item for path in _FILES if Path(path).exists() for item in parse(Path(path).read_text())]
    return [item for item in every if item.port in ports and item.peer not in own and not item.peer.is_loopback]
