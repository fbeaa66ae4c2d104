# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of iptables, of either kind, from what iptables-save prints. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import shlex
import typing as t

from . import model
from .model import (
    ACCEPT,
    CLUSTER,
    DOCKER,
    DROP,
    GOTO,
    JUMP,
    NAT,
    NOTRACK,
    PROTOCOLS,
    RETURN,
    UFW,
    UNKNOWN,
    Base,
    Rule,
    Test,
)

_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_SOURCE_NAT = 100
_TARGETS = {
    "ACCEPT": ACCEPT,
    "DROP": DROP,
    "REJECT": DROP,
    "RETURN": RETURN,
    "DNAT": NAT,
    "REDIRECT": NAT,
    "MASQUERADE": ACCEPT,
    "SNAT": ACCEPT,
    "NOTRACK": NOTRACK,
}
_HARMLESS = ("LOG", "NFLOG", "MARK", "CONNMARK", "TCPMSS", "SET", "TRACE", "DSCP", "TOS", "TTL", "CLASSIFY", "CHECKSUM")
# Chains of programs that change destinations of their own; what they do is none of what is looked for.
_OURS = ("ISTIO_", "KUBE-")
_CLUSTER = ("KUBE-", "CNI-", "FLANNEL-", "cali-", "CILIUM_", "WEAVE-", "ANTREA-")


_Parse = t.Callable[[t.Sequence[str]], "Test | None"]


def priority(table: str, chain: str) -> int | None:
    """Of a chain that is iptables' own; None for any other."""
    if table not in _PRIORITIES or chain not in _HOOKS:
        return None
    return _SOURCE_NAT if table == "nat" and chain in ("INPUT", "POSTROUTING") else _PRIORITIES[table]


def bases(text: str, program: str) -> list[Base]:
    """C(program) is what one would say them to: iptables, iptables-legacy or iptables-nft."""
    found: list[Base] = []
    chains: dict[str, list[Rule]] = {}
    policies: dict[str, str] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table, chains, policies = line[1:].strip(), {}, {}
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            chains[name] = []
            policies[name] = policy
        elif line.startswith("-A "):
            name, rule = _rule(shlex.split(line)[1:], chains)
            chains.setdefault(name, []).extend(rule)
        elif line.startswith("COMMIT"):
            found += [
                Base(
                    f"{program} {table} {name}",
                    name,
                    name.lower(),
                    priority(table, name) or 0,
                    DROP if policy == "DROP" else ACCEPT,
                    chains,
                    _owner(name, chains, program),
                )
                for name, policy in policies.items()
                if name in _HOOKS
            ]
    return found


def _owner(hook: str, chains: t.Mapping[str, t.Any], program: str) -> str:
    if any(name.startswith("ufw-") for name in chains):
        return UFW
    docker = "DOCKER" in chains and (hook == "FORWARD" or "DOCKER-USER" not in chains)
    if docker:
        return DOCKER
    return CLUSTER if any(name.startswith(_CLUSTER) for name in chains) else program


def _rule(words: list[str], chains: t.Mapping[str, t.Any]) -> tuple[str, list[Rule]]:
    """The chain that it is in, and what it does; nothing when that decides nothing."""
    name, rest = words[0], words[1:]
    tests: list[Test] = []
    while rest:
        inverted = rest[0] == "!"
        option, *rest = rest[1:] if inverted else rest
        if option in ("-j", "-g"):
            action, target = _action(name, rest, chains)
            if option == "-g":
                action = GOTO
            return name, [Rule(tuple(tests), action, target)] if action else []
        # Those of one that is not known go up to the next.
        taken = _ARGUMENTS.get(
            option, next((i for i, word in enumerate(rest) if word.startswith(("-", "!"))), len(rest))
        )
        values, rest = rest[:taken], rest[taken:]
        test = _TESTS.get(option, lambda _values: model.unknown)(values)
        if test is not None:
            tests.append(model.negate(test) if inverted else test)
    return name, []


def _action(chain: str, words: t.Sequence[str], chains: t.Mapping[str, t.Any]) -> tuple[str, str]:
    target = words[0]
    if target in chains:
        return JUMP, target
    if target == "CT":
        return (NOTRACK if "--notrack" in words else ""), ""
    action = "" if target in _HARMLESS else _TARGETS.get(target, UNKNOWN)
    return (ACCEPT if action == NAT and chain.startswith(_OURS) else action), ""


def _networks(field: str) -> t.Callable[[t.Sequence[str]], Test]:
    def parse(values: t.Sequence[str]) -> Test:
        try:
            return model.within(field, [ipaddress.IPv4Network(item, strict=False) for item in values[0].split(",")])
        except ValueError:
            return model.unknown

    return parse


def _ports(field: str) -> t.Callable[[t.Sequence[str]], Test]:
    def parse(values: t.Sequence[str]) -> Test:
        try:
            pairs = [item.partition(":") for item in values[0].split(",")]
            return model.number(
                field, [(int(first or 0), int(last or 65535) if colon else int(first)) for first, colon, last in pairs]
            )
        except ValueError:
            return model.unknown

    return parse


def _protocol(values: t.Sequence[str]) -> Test:
    name = values[0]
    if name == "all":
        return model.protocol(range(256))
    number = int(name) if name.isdigit() else PROTOCOLS.get(name)
    return model.unknown if number is None else model.protocol([number])


def _mark(values: t.Sequence[str]) -> Test:
    value, _slash, mask = values[0].partition("/")
    try:
        return model.masked(int(mask or "0xffffffff", 16), int(value, 16))
    except ValueError:
        return model.unknown


def _names(text: str) -> list[str]:
    return [] if text == "NONE" else text.lower().split(",")


# Extensions that match nothing by themselves, without options that are read below or are unknown there.
_PLAIN = (
    "tcp",
    "udp",
    "sctp",
    "icmp",
    "conntrack",
    "state",
    "comment",
    "multiport",
    "addrtype",
    "mark",
    "limit",
    "set",
)


def _extension(values: t.Sequence[str]) -> Test | None:
    return None if values[0] in _PLAIN else model.unknown


def _nothing(_values: t.Sequence[str]) -> Test | None:
    return None


_ALL_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg")
_TESTS: dict[str, _Parse] = {
    "-p": _protocol,
    "-s": _networks("source"),
    "-d": _networks("destination"),
    "-i": lambda values: model.interface("iif", values, "+"),
    "-o": lambda values: model.interface("oif", values, "+"),
    "--sport": _ports("sport"),
    "--sports": _ports("sport"),
    "--dport": _ports("dport"),
    "--dports": _ports("dport"),
    "--ctorigdstport": _ports("original"),
    "--ctstate": lambda values: model.state(_names(values[0])),
    "--state": lambda values: model.state(_names(values[0])),
    "--dst-type": lambda values: model.kind(_names(values[0])),
    "--mark": _mark,
    "--tcp-flags": lambda values: model.flags(
        _ALL_FLAGS if values[0] == "ALL" else _names(values[0]), _ALL_FLAGS if values[1] == "ALL" else _names(values[1])
    ),
    "--syn": lambda _values: model.flags(("fin", "syn", "rst", "ack"), ("syn",)),
    "-m": _extension,
    "--comment": _nothing,
    "-c": _nothing,
}
_ARGUMENTS = {**dict.fromkeys(_TESTS, 1), "--tcp-flags": 2, "--syn": 0, "-c": 2}
