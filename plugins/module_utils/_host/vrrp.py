# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adverts of VRRP that are heard on a segment. Private to the collection."""

from __future__ import annotations

import socket
import struct
import time
import typing as t

PROTOCOL = 112
_GROUP = "224.0.0.18"
_ADVERT = 1


def parse(packet: bytes) -> dict[str, t.Any] | None:
    """Who sent an advert, and for which virtual router; nothing if it is none. C(packet) has its IPv4 header."""
    if len(packet) < 20:
        return None
    length = (packet[0] & 15) * 4
    if packet[9] != PROTOCOL or len(packet) < length + 4 or packet[length] & 15 != _ADVERT:
        return None
    return {
        "source": socket.inet_ntoa(packet[12:16]),
        "version": packet[length] >> 4,
        "router_id": packet[length + 1],
        "priority": packet[length + 2],
    }


def listen(interface: str, seconds: float) -> list[dict[str, t.Any]]:
    """Each sender once. Adverts to single hosts are heard by these alone. A host that cannot listen hears nothing."""
    found: dict[tuple[str, int], dict[str, t.Any]] = {}
    until = time.monotonic() + seconds
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            member = struct.pack("=4s4si", socket.inet_aton(_GROUP), bytes(4), socket.if_nametoindex(interface))
            raw.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            while time.monotonic() < until:
                raw.settimeout(max(until - time.monotonic(), 0.01))
                advert = parse(raw.recv(2048))
                if advert is not None:
                    found[(advert["source"], advert["router_id"])] = advert
    except OSError:
        # Also that nothing came in time.
        pass
    return [found[key] for key in sorted(found)]
