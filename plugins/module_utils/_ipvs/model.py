# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual services and real servers as values, and the lines that people read. Private to the collection.

Addresses are kept packed, as the kernel has them: equal addresses are equal however they were written.
"""

from __future__ import annotations

import dataclasses
import socket
import typing as t

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": socket.IPPROTO_SCTP}
_PROTOCOL_OPTIONS = {socket.IPPROTO_TCP: "-t", socket.IPPROTO_UDP: "-u", socket.IPPROTO_SCTP: "--sctp-service"}

PERSISTENT = 0x1
# The kernel's own mark on a service that it has installed.
HASHED = 0x2
ONE_PACKET = 0x4
SCHED_FLAGS = {"flag-1": 0x8, "flag-2": 0x10, "flag-3": 0x20}
NAMED_SCHED_FLAGS = {"sh": {"sh-fallback": 0x8, "sh-port": 0x10}, "mh": {"mh-fallback": 0x8, "mh-port": 0x10}}

MASQUERADING, LOCAL, TUNNEL, DIRECT, BYPASS = range(5)
FORWARDING = {"gatewaying": DIRECT, "masquerading": MASQUERADING, "ipip": TUNNEL}
# The last two are not ipvsadm's to set, but the kernel can have them.
_FORWARDING_SWITCHES = {DIRECT: "-g", MASQUERADING: "-m", TUNNEL: "-i", LOCAL: "-l", BYPASS: "-b"}

TUNNEL_TYPES = {"ipip": 0, "gue": 1, "gre": 2}
GUE = TUNNEL_TYPES["gue"]
TUNNEL_FLAGS = {"nocsum": 0, "csum": 1, "remcsum": 2}

IPV4_HOST_MASK = 0xFFFFFFFF
IPV6_HOST_PREFIX = 128


class ServiceKey(t.NamedTuple):
    """What the kernel finds a virtual service by. With a firewall mark there is no protocol, address or port."""

    fwmark: int
    family: int
    protocol: int
    address: bytes
    port: int

    def __str__(self) -> str:
        if self.fwmark:
            return f"-f {self.fwmark}" + (" -6" if self.family == socket.AF_INET6 else "")
        option = _PROTOCOL_OPTIONS.get(self.protocol, f"--protocol-{self.protocol}")
        return f"{option} {endpoint(self.address, self.port)}"


# What the kernel finds a real server of a service by: address and port.
ServerKey = t.Tuple[bytes, int]


@dataclasses.dataclass(frozen=True)
class Service:
    """A virtual service without its real servers."""

    key: ServiceKey
    scheduler: str = "wlc"
    # PERSISTENT, ONE_PACKET and SCHED_FLAGS; never HASHED.
    flags: int = 0
    timeout: int = 0
    # The mask for IPv4, the prefix length for IPv6.
    netmask: int = IPV4_HOST_MASK
    engine: str = ""

    @property
    def arguments(self) -> str:
        parts = [f"{self.key} -s {self.scheduler}"]
        if self.flags & PERSISTENT:
            parts.append(f"-p {self.timeout}")
        if self.key.family == socket.AF_INET6:
            if self.netmask != IPV6_HOST_PREFIX:
                parts.append(f"-M {self.netmask}")
        elif self.netmask != IPV4_HOST_MASK:
            parts.append(f"-M {socket.inet_ntoa(self.netmask.to_bytes(4, 'big'))}")
        if self.engine:
            parts.append(f"--pe {self.engine}")
        if self.flags & ONE_PACKET:
            parts.append("-o")
        names = sched_flag_names(self.scheduler, self.flags)
        if names:
            parts.append(f"-b {','.join(names)}")
        return " ".join(parts)


class RealServer(t.NamedTuple):
    """A real server. A named tuple and no dataclass, because a table has tens of thousands of them and
    they are made on every read."""

    address: bytes
    port: int
    forwarding: int = DIRECT
    weight: int = 1
    upper: int = 0
    lower: int = 0
    tunnel_type: int = 0
    tunnel_port: int = 0
    tunnel_flags: int = 0

    @property
    def key(self) -> ServerKey:
        return self[:2]

    @property
    def name(self) -> str:
        return endpoint(self.address, self.port)

    @property
    def arguments(self) -> str:
        parts = [f"{self.name} {_FORWARDING_SWITCHES.get(self.forwarding, '?')} -w {self.weight}"]
        if self.forwarding == TUNNEL:
            parts.append(f"--tun-type {name_of(TUNNEL_TYPES, self.tunnel_type)}")
            if self.tunnel_port:
                parts.append(f"--tun-port {self.tunnel_port}")
            if self.tunnel_type:
                parts.append(f"--tun-{tunnel_flag_name(self.tunnel_flags)}")
        if self.upper:
            parts.append(f"-x {self.upper}")
        if self.lower:
            parts.append(f"-y {self.lower}")
        return " ".join(parts)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A virtual service with its real servers."""

    service: Service
    servers: t.Mapping[ServerKey, RealServer]

    def lines(self) -> list[str]:
        """As in a file for `ipvsadm -R`, and with the thresholds, which `ipvsadm -S` leaves out."""
        key = self.service.key
        servers = sorted(self.servers.values(), key=lambda server: (len(server.address), server.address, server.port))
        return [f"-A {self.service.arguments}"] + [f"-a {key} -r {server.arguments}" for server in servers]


Table = t.Mapping[ServiceKey, Entry]


class Connections(t.NamedTuple):
    """How many connections the kernel tracks for a real server."""

    active: int = 0
    inactive: int = 0
    persistent: int = 0


class ServerState(t.NamedTuple):
    """A real server with its counters."""

    server: RealServer
    connections: Connections
    statistics: t.Mapping[str, int]


class ServiceState(t.NamedTuple):
    """A virtual service with its counters and those of its real servers."""

    service: Service
    statistics: t.Mapping[str, int]
    servers: t.Sequence[ServerState]


def lines(table: Table, keys: t.Collection[ServiceKey] | None = None) -> list[str]:
    """The table, or the part of it that is about some services, sorted."""
    chosen = sorted(table if keys is None else [key for key in table if key in keys])
    return [line for key in chosen for line in table[key].lines()]


def endpoint(address: bytes, port: int) -> str:
    if len(address) == 16:
        return f"[{socket.inet_ntop(socket.AF_INET6, address)}]:{port}"
    return f"{socket.inet_ntoa(address)}:{port}"


def family_of(address: bytes) -> int:
    return socket.AF_INET6 if len(address) == 16 else socket.AF_INET


def host_mask(family: int) -> int:
    """The netmask that keeps clients apart: ipvsadm's default."""
    return IPV6_HOST_PREFIX if family == socket.AF_INET6 else IPV4_HOST_MASK


def sched_flag_names(scheduler: str, flags: int) -> list[str]:
    """By the scheduler's own names where it has some; each flag once."""
    names = {value: name for name, value in SCHED_FLAGS.items()}
    names.update({value: name for name, value in NAMED_SCHED_FLAGS.get(scheduler, {}).items()})
    return [name for value, name in sorted(names.items()) if flags & value]


def tunnel_flag_name(flags: int) -> str:
    # ipvsadm can set only one of them; the kernel prefers remote checksums if it has both.
    return "remcsum" if flags & TUNNEL_FLAGS["remcsum"] else name_of(TUNNEL_FLAGS, flags)


def name_of(names: t.Mapping[str, int], value: int) -> str:
    for name, number in names.items():
        if number == value:
            return name
    return str(value)
