# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold a virtual address on an interface, and announce it.

Installed on the director as one file, which runs with nothing but Python and iproute2: the address is added as a host
address (so that it is never chosen as a source), and the neighbours are told by gratuitous ARP or an unsolicited
neighbour advertisement. So what it shares with the rest of this package stands here: frames of ARP, and the output of
C(ip -j address).
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import socket
import struct
import subprocess
import sys
import time
import typing as t

ETH_P_ARP = 0x0806
BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2
ROUNDS = 3
UP_STATES = ("up", "unknown")

Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class VipError(Exception):
    """The address cannot be held."""


def arp_frame(operation: int, mac: bytes, sender: bytes, target: bytes) -> bytes:
    """An Ethernet broadcast with an ARP packet in it."""
    header = BROADCAST + mac + struct.pack("!H", ETH_P_ARP)
    return header + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + mac + sender + bytes(6) + target


def arp_sender(frame: bytes) -> tuple[bytes, bytes] | None:
    """Hardware and protocol address of who sent an ARP frame, or nothing if it is no ARP for IPv4."""
    if len(frame) < 42 or struct.unpack("!HHHBB", frame[12:20]) != (ETH_P_ARP, 1, 0x0800, 6, 4):
        return None
    return frame[22:28], frame[28:32]


def advertisement(address: ipaddress.IPv6Address, mac: bytes) -> bytes:
    """An unsolicited neighbour advertisement with the override flag; the kernel fills in the checksum."""
    return struct.pack("!BBHI", 136, 0, 0, 0x20000000) + address.packed + struct.pack("!BB", 2, 1) + mac


class Place(t.NamedTuple):
    """An address of a host, where it is, and the flags that matter."""

    interface: str
    address: Address
    prefix: int
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.interface}/{self.prefix}"


def places(links: t.Iterable[t.Mapping[str, t.Any]]) -> list[Place]:
    """All addresses, from C(ip -j address show)."""
    found = []
    for link in links:
        for info in link.get("addr_info") or []:
            if "ifname" in link and "local" in info:
                flags = tuple(flag for flag in ("tentative", "dadfailed") if info.get(flag))
                found.append(Place(link["ifname"], ipaddress.ip_address(info["local"]), info["prefixlen"], flags))
    return found


def _ip(*arguments: str) -> str:
    # run_command is a module's; this runs without one, in a unit of the host.
    process = subprocess.run(  # pylint: disable=ansible-bad-function
        ["ip", *arguments], capture_output=True, text=True, timeout=10, check=False
    )
    if process.returncode:
        raise VipError(f"ip {' '.join(arguments)}: {process.stderr.strip()}")
    return process.stdout


def _where(address: Address) -> list[Place]:
    return [place for place in places(json.loads(_ip("-j", "address", "show"))) if place.address == address]


def _read(interface: str, name: str) -> str:
    try:
        with open(f"/sys/class/net/{interface}/{name}", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _mac(interface: str) -> bytes:
    return bytes.fromhex(_read(interface, "address").replace(":", ""))


def wait_until_up(interface: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while _read(interface, "operstate") not in UP_STATES:
        if time.monotonic() >= deadline:
            state = _read(interface, "operstate") or "absent"
            raise VipError(f"interface {interface} is {state} after {timeout:g} s: it must be up to hold the address")
        time.sleep(0.2)


def hold(address: Address, interface: str) -> None:
    prefix = address.max_prefixlen
    others = [place for place in _where(address) if (place.interface, place.prefix) != (interface, prefix)]
    if others:
        there = f"{address}/{others[0].prefix} is on {others[0].interface}"
        raise VipError(f"{there}: remove it there, it must be {address}/{prefix} on {interface}")
    if not _where(address):
        _ip("address", "add", f"{address}/{prefix}", "dev", interface)
    deadline = time.monotonic() + 5
    while any("tentative" in place.flags for place in _where(address)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if any("dadfailed" in place.flags for place in _where(address)):
        raise VipError(f"another host answers for {address}: the kernel's duplicate address detection found it")


def announce(address: Address, interface: str) -> None:
    mac = _mac(interface)
    if len(mac) != 6:
        return  # Not Ethernet: there are no neighbours to tell.
    if isinstance(address, ipaddress.IPv4Address):
        frames = [arp_frame(operation, mac, address.packed, address.packed) for operation in (REQUEST, REPLY)]
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP)) as packet:
            packet.bind((interface, ETH_P_ARP))
            for number in range(ROUNDS):
                time.sleep(0.2 if number else 0)
                for frame in frames:
                    packet.send(frame)
        return
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.getprotobyname("ipv6-icmp")) as icmp:
        icmp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        icmp.bind((str(address), 0, 0, 0))
        for number in range(ROUNDS):
            time.sleep(0.2 if number else 0)
            icmp.sendto(advertisement(address, mac), ("ff02::1", 0, 0, socket.if_nametoindex(interface)))


def main(arguments: t.Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Hold or announce a virtual address.")
    parser.add_argument("action", choices=["hold", "announce"])
    parser.add_argument("address", type=ipaddress.ip_address)
    parser.add_argument("interface")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the interface")
    options = parser.parse_args(arguments)
    try:
        wait_until_up(options.interface, options.timeout)
        if options.action == "hold":
            hold(options.address, options.interface)
        announce(options.address, options.interface)
    except (VipError, OSError, subprocess.SubprocessError) as exc:
        sys.stderr.write(f"virtual address {options.address} on {options.interface}: {exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
