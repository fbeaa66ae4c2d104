# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Duplicate-address probe by ARP (RFC 5227): the question, whose answer counts, the exchange.
Private to the collection."""

from __future__ import annotations

import ipaddress
import socket
import time
import typing as t

from .errors import HostError
from .vip import ETH_P_ARP, REQUEST, arp_frame, arp_sender


def probe_frame(mac: bytes, address: str) -> bytes:
    """An ARP request for the address with no sender address, so that no neighbour learns anything from it."""
    return arp_frame(REQUEST, mac, bytes(4), ipaddress.IPv4Address(address).packed)


def answering_mac(frame: bytes, own_mac: bytes, address: str) -> str | None:
    """The hardware address of a neighbour that claims the address in this frame, in whichever kind of ARP packet."""
    sender = arp_sender(frame)
    if sender is None or sender[0] == own_mac or sender[1] != ipaddress.IPv4Address(address).packed:
        return None
    return sender[0].hex(":")


def probe(interface: str, address: str, count: int = 3, wait: float = 0.5) -> list[str]:
    """Ask `count` times; returns the hardware addresses that answered."""
    found: set[str] = set()
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as raw:
            raw.bind((interface, ETH_P_ARP))
            own_mac = t.cast(bytes, raw.getsockname()[4])[:6]
            if len(own_mac) != 6:
                return []  # Not Ethernet: there are no neighbours to ask.
            for _number in range(count):
                raw.send(probe_frame(own_mac, address))
                found.update(_listen(raw, own_mac, address, time.monotonic() + wait))
    except OSError as exc:
        raise HostError(
            f"Cannot probe {address} on {interface}: {exc}. Run as root, and check the interface's name and state."
        ) from exc
    return sorted(found)


def _listen(raw: socket.socket, own_mac: bytes, address: str, until: float) -> t.Iterator[str]:
    while True:
        left = until - time.monotonic()
        if left <= 0:
            return
        raw.settimeout(left)
        try:
            frame = raw.recv(2048)
        except socket.timeout:
            return
        mac = answering_mac(frame, own_mac, address)
        if mac:
            yield mac
