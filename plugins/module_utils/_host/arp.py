# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Duplicate-address probe by ARP (RFC 5227): frames as bytes, and the exchange on a raw socket. Private to the collection."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import typing as t

_ETH_P_ARP = 0x0806
_BROADCAST = b"\xff" * 6
_HEADER = struct.Struct("!6s6sHHHBBH6s4s6s4s")


class ProbeError(Exception):
    """The probe cannot be made; the text is fit for a user."""


def place_of(address: str, interfaces: list[dict[str, t.Any]]) -> tuple[str, bool]:
    """The interface in whose subnet the address is (empty: none), and whether the host holds it, from `ip -j address`."""
    wanted = ipaddress.IPv4Address(address)
    found, longest, held = "", -1, False
    for interface in interfaces:
        for info in interface.get("addr_info") or []:
            held = held or info.get("local") == str(wanted)
            network = ipaddress.ip_network(f"{info.get('local')}/{info.get('prefixlen')}", strict=False)
            # A single address is no subnet: the address itself looks like this once it is held.
            if wanted in network and longest < network.prefixlen < 32:
                found, longest = str(interface.get("ifname", "")), network.prefixlen
    return found, held


def probe_frame(mac: bytes, address: str) -> bytes:
    """An ARP request for the address with no sender address, so that no neighbour learns anything from it."""
    target = ipaddress.IPv4Address(address).packed
    return _HEADER.pack(_BROADCAST, mac, _ETH_P_ARP, 1, 0x0800, 6, 4, 1, mac, b"\x00" * 4, b"\x00" * 6, target)


def answering_mac(frame: bytes, own_mac: bytes, address: str) -> str | None:
    """The hardware address of a neighbour that claims the address in this frame, in whichever kind of ARP packet."""
    if len(frame) < _HEADER.size:
        return None
    fields = _HEADER.unpack_from(frame)
    ethertype, hardware, protocol, sender_mac, sender = fields[2], fields[3], fields[4], fields[8], fields[9]
    if (ethertype, hardware, protocol) != (_ETH_P_ARP, 1, 0x0800) or sender_mac == own_mac:
        return None
    if sender != ipaddress.IPv4Address(address).packed:
        return None
    return ":".join(f"{octet:02x}" for octet in sender_mac)


def probe(interface: str, address: str, count: int, wait: float) -> list[str]:
    """Ask `count` times; returns the hardware addresses that answered."""
    found: set[str] = set()
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ARP)) as raw:
            raw.bind((interface, _ETH_P_ARP))
            own_mac = t.cast(bytes, raw.getsockname()[4])[:6]
            for _number in range(count):
                raw.send(probe_frame(own_mac, address))
                found.update(_listen(raw, own_mac, address, time.monotonic() + wait))
    except OSError as exc:
        raise ProbeError(f"Cannot probe {address} on {interface}: {exc}. Run as root, and check the interface's name and state.") from exc
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
