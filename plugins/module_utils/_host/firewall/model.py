# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets, and rules of the packet filter as tests of a packet. Pure. Private to the collection.

A test answers yes, no, or None: it cannot be told, because the packet or the rule says too little.
"""

from __future__ import annotations

import ipaddress
import typing as t

Network = ipaddress.IPv4Network
Answer = t.Optional[bool]

ACCEPT, DROP, RETURN, JUMP, GOTO = "accept", "drop", "return", "jump", "goto"
# The destination becomes another one; the packet is not tracked any more; something that is not known.
NAT, NOTRACK, UNKNOWN = "nat", "notrack", "unknown"

TCP, UDP = 6, 17
PROTOCOLS = {
    "icmp": 1,
    "igmp": 2,
    "tcp": TCP,
    "udp": UDP,
    "dccp": 33,
    "gre": 47,
    "esp": 50,
    "ah": 51,
    "icmpv6": 58,
    "ipv6-icmp": 58,
    "vrrp": 112,
    "sctp": 132,
    "udplite": 136,
}
# Owners of rules that nft has not: what adds and removes them, and so what one says to it.
NFT, UFW, FIREWALLD, DOCKER = "nft", "ufw", "firewalld", "docker"
# Of kube-proxy and of the network of pods.
CLUSTER = "cluster"


class Packet(t.NamedTuple):
    """An IPv4 packet; None is what nobody knows of it."""

    hook: str
    protocol: int
    source: Network | None = None
    destination: Network | None = None
    sport: int | None = None
    dport: int | None = None
    flags: t.FrozenSet[str] | None = None
    # As connection tracking sees it.
    state: str | None = "new"
    # The port that it was sent to, and whether it was given another destination since.
    original: int | None = None
    redirected: bool = False
    mark: int | None = None
    iif: str | None = None
    oif: str | None = None
    # local, multicast or unicast.
    kind: str | None = None


Test = t.Callable[[Packet], Answer]


class Rule(t.NamedTuple):
    tests: t.Sequence[Test]
    action: str
    # The chain that it leads to.
    target: str = ""


Chains = t.Mapping[str, t.Sequence[Rule]]


class Base(t.NamedTuple):
    """A chain that the kernel itself leads to."""

    name: str
    start: str
    hook: str
    priority: int
    policy: str
    # All chains of its table.
    chains: Chains
    owner: str = NFT


def unknown(_packet: Packet) -> Answer:
    return None


def never(_packet: Packet) -> Answer:
    return False


def negate(test: Test) -> Test:
    def negated(packet: Packet) -> Answer:
        answer = test(packet)
        return None if answer is None else not answer

    return negated


def every(tests: t.Iterable[Test], packet: Packet) -> Answer:
    answers = [test(packet) for test in tests]
    return False if False in answers else None if None in answers else True


def within(field: str, networks: t.Sequence[Network]) -> Test:
    def test(packet: Packet) -> Answer:
        value: Network | None = getattr(packet, field)
        if value is None:
            return None
        if any(value.subnet_of(network) for network in networks):
            return True
        return None if any(value.overlaps(network) for network in networks) else False

    return test


def number(field: str, ranges: t.Sequence[tuple[int, int]]) -> Test:
    def test(packet: Packet) -> Answer:
        value = getattr(packet, field)
        return None if value is None else any(first <= value <= last for first, last in ranges)

    return test


def protocol(numbers: t.Collection[int]) -> Test:
    return lambda packet: packet.protocol in numbers


def interface(field: str, names: t.Sequence[str], wildcard: str) -> Test:
    def fits(value: str, name: str) -> bool:
        return value.startswith(name[:-1]) if name.endswith(wildcard) else value == name

    def test(packet: Packet) -> Answer:
        value = getattr(packet, field)
        if value is not None:
            return any(fits(value, name) for name in names)
        # What comes from another host does not come in by lo.
        return False if set(names) == {"lo"} else None

    return test


def state(names: t.Collection[str]) -> Test:
    """Also of what iptables calls a state and is none: whether the destination was changed."""

    def test(packet: Packet) -> Answer:
        if "dnat" in names and packet.redirected:
            return True
        return None if packet.state is None else packet.state in names

    return test


def kind(names: t.Collection[str]) -> Test:
    return lambda packet: None if packet.kind is None else packet.kind in names


def masked(mask: int, value: int) -> Test:
    return lambda packet: None if packet.mark is None else packet.mark & mask == value


def flags(mask: t.Collection[str] | None, wanted: t.Collection[str]) -> Test:
    """Of those in the mask, or of all, these and no others."""

    def test(packet: Packet) -> Answer:
        if packet.protocol != TCP:
            return False
        if packet.flags is None:
            return None
        return (packet.flags if mask is None else packet.flags & set(mask)) == set(wanted)

    return test
