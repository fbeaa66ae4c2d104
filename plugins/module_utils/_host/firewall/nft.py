# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of nftables, from its own JSON. Pure. Private to the collection.

Facts: libnftables-json(5), and what nft 1.0.6 prints.
"""

from __future__ import annotations

import ipaddress
import json
import typing as t

from . import model
from .model import (
    ACCEPT,
    CLUSTER,
    DROP,
    FIREWALLD,
    GOTO,
    JUMP,
    NAT,
    NFT,
    NOTRACK,
    PROTOCOLS,
    RETURN,
    UNKNOWN,
    Base,
    Rule,
    Test,
)

Json = t.Mapping[str, t.Any]
Sets = t.Mapping[t.Tuple[str, str, str], t.Optional[t.Sequence[t.Any]]]
Table = t.Tuple[str, str]

_FAMILIES = ("ip", "inet")
_VERDICTS = {
    "accept": ACCEPT,
    "drop": DROP,
    "reject": DROP,
    "return": RETURN,
    "dnat": NAT,
    "redirect": NAT,
    "tproxy": UNKNOWN,
    "snat": ACCEPT,
    "masquerade": ACCEPT,
    "notrack": NOTRACK,
    "queue": UNKNOWN,
}
# Statements that decide nothing. What is in neither list, such as a limit, may let a packet by.
_HARMLESS = ("counter", "log", "mangle", "set", "flow", "dup", "ct helper", "ct timeout", "ct expectation", "last")
# Targets of iptables in a table that iptables does not read.
_TARGETS = {"LOG": "", "NFLOG": "", "REJECT": DROP, "MASQUERADE": ACCEPT, "SNAT": ACCEPT, "DNAT": NAT, "REDIRECT": NAT}
# Of tables that have their program's name.
_OWNERS = {"firewalld": FIREWALLD, "kube-proxy": CLUSTER}
_PORTS = {"sport": "sport", "dport": "dport"}


def dropping(chains: str) -> list[str]:
    """The chains at the hook input that drop by default, from C(nft -j list chains)."""
    found = [chain for chain in _items(chains, "chain") if chain.get("hook") == "input"]
    return [f"{_name(chain)}" for chain in found if chain.get("policy") == "drop"]


def bases(
    ruleset: str, without: t.Callable[[str, str, int], bool] = lambda table, chain, priority: False
) -> list[Base]:
    """From C(nft -j list ruleset); C(without) are chains of IPv4 that iptables has told in its own words."""
    sets: Sets = {
        (*_table(item), item["name"]): _elements(item) for item in [*_items(ruleset, "set"), *_items(ruleset, "map")]
    }
    tables: dict[Table, dict[str, list[Rule]]] = {}
    for rule in _items(ruleset, "rule"):
        if rule["family"] in _FAMILIES:
            chains = tables.setdefault(_table(rule), {})
            chains.setdefault(rule["chain"], []).extend(_read(rule, sets))
    return [
        Base(
            _name(chain),
            chain["name"],
            chain["hook"],
            int(chain["prio"]),
            chain.get("policy", ACCEPT),
            tables.get(_table(chain), {}),
            _OWNERS.get(chain["table"], NFT),
        )
        for chain in _items(ruleset, "chain")
        if chain["family"] in _FAMILIES
        and "hook" in chain
        and not (chain["family"] == "ip" and without(chain["table"], chain["name"], int(chain["prio"])))
    ]


def clashes(ruleset: str, wanted: t.Callable[[str, str], int | None]) -> list[str]:
    """Chains of IPv4 with the name of one of iptables' own and another priority: it can add nothing to them."""
    found = [chain for chain in _items(ruleset, "chain") if chain["family"] == "ip" and "hook" in chain]
    return [_name(chain) for chain in found if wanted(chain["table"], chain["name"]) not in (None, int(chain["prio"]))]


def _items(text: str, kind: str) -> list[Json]:
    items = json.loads(text).get("nftables", []) if text else []
    return [item[kind] for item in items if kind in item]


def _table(item: Json) -> Table:
    return item["family"], item["table"]


def _name(chain: Json) -> str:
    return f"{chain['family']} {chain['table']} {chain['name']}"


def _elements(item: Json) -> t.Sequence[t.Any] | None:
    """Of a set; nothing is known where rules or time change them."""
    if {"dynamic", "timeout"} & set(item.get("flags") or ()):
        return None
    return item.get("elem") or []


def _read(rule: Json, sets: Sets) -> list[Rule]:
    """One that is written as no release known here does may do anything."""
    try:
        return list(_rules(rule["expr"], _table(rule), sets))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return [Rule((model.unknown,), UNKNOWN)]


def _rules(expr: t.Sequence[Json], table: Table, sets: Sets) -> t.Iterator[Rule]:
    """One for each thing that a rule may do."""
    tests: list[Test] = []
    for part in expr:
        ((name, value),) = part.items()
        if name == "match":
            tests += _tests(value["left"], value.get("op", "=="), _values(value["right"], table, sets))
        elif name == "vmap":
            yield from _mapped(value, tests, table, sets)
        elif name == "xt":
            action = _xt(value)
            if action is None:
                tests.append(model.unknown)
            elif action:
                yield Rule(tuple(tests), action)
        elif name in ("jump", "goto"):
            yield Rule(tuple(tests), JUMP if name == "jump" else GOTO, value["target"])
        elif name in _VERDICTS:
            yield Rule(tuple(tests), _VERDICTS[name])
        elif name not in _HARMLESS:
            tests.append(model.unknown)


def _xt(value: Json | None) -> str | None:
    """What a target of iptables does, empty for nothing; None for what is no target."""
    if not value or value.get("type") != "target":
        return UNKNOWN if value is None else None
    return _TARGETS.get(str(value.get("name")), UNKNOWN)


def _mapped(value: Json, tests: t.Sequence[Test], table: Table, sets: Sets) -> t.Iterator[Rule]:
    data = value["data"]
    entries = sets.get((*table, data[1:])) if isinstance(data, str) else data.get("set")
    if entries is None:
        yield Rule((*tests, model.unknown), UNKNOWN)
    for key, verdict in entries or ():
        more = _tests(value["key"], "==", _values(key, table, sets))
        yield from (Rule((*tests, *more), rule.action, rule.target) for rule in _rules([verdict], table, sets))


def _values(right: t.Any, table: Table, sets: Sets) -> t.Sequence[t.Any] | None:
    """What fits, as a list; None when it cannot be told."""
    if isinstance(right, str) and right.startswith("@"):
        right = {"set": sets.get((*table, right[1:]))}
    if isinstance(right, dict) and "set" in right:
        elements = right["set"]
        return None if elements is None else [_bare(item) for item in elements]
    return right if isinstance(right, list) else [right]


def _bare(element: t.Any) -> t.Any:
    """A set's element without its counter, comment or time."""
    return element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element


def _tests(left: t.Any, op: str, values: t.Sequence[t.Any] | None) -> list[Test]:
    """What has to be so for the comparison to make sense, and the comparison itself."""
    if values is None or not isinstance(left, dict):
        return [model.unknown]
    if "&" in left:
        return [_turned(_masked(left["&"], values), op)]
    kind, what = next(iter(left.items()))
    if kind == "payload" and "protocol" in what:
        return _payload(what["protocol"], what["field"], op, values)
    if kind == "meta":
        return [_turned(_meta(what["key"], values), op)]
    if kind == "ct":
        return [_turned(_ct(what, values), op)]
    if kind == "fib" and what.get("result") == "type" and "daddr" in what["flags"]:
        return [_turned(model.kind(values), op)]
    return [model.unknown]


def _turned(test: Test, op: str) -> Test:
    if op in ("!=", "!"):
        return model.negate(test)
    return test if op in ("==", "in") else model.unknown


def _payload(protocol: str, field: str, op: str, values: t.Sequence[t.Any]) -> list[Test]:
    if protocol == "ip6":
        return [model.never]
    if protocol == "ip":
        return [_turned(_header(field, values), op)]
    # A header of TCP is in a packet of TCP only.
    guard = [] if protocol == "th" else [model.protocol([PROTOCOLS.get(protocol, -1)])]
    if field in _PORTS:
        ranges = _ranges(values)
        return [*guard, _turned(model.unknown if ranges is None else model.number(_PORTS[field], ranges), op)]
    return [*guard, model.unknown]


def _header(field: str, values: t.Sequence[t.Any]) -> Test:
    if field in ("saddr", "daddr"):
        networks = _networks(values)
        return model.unknown if networks is None else model.within(_ADDRESSES[field], networks)
    if field == "protocol":
        return _protocols(values)
    return (lambda _packet: 4 in values) if field == "version" else model.unknown


_ADDRESSES = {"saddr": "source", "daddr": "destination"}


def _meta(key: str, values: t.Sequence[t.Any]) -> Test:
    if key == "l4proto":
        return _protocols(values)
    if key == "nfproto":
        return lambda _packet: "ipv4" in values
    if key in ("iif", "iifname", "oif", "oifname"):
        return model.interface(key[:3], [str(value) for value in values], "*")
    if key == "mark":
        ranges = _ranges(values)
        return model.unknown if ranges is None else model.number("mark", ranges)
    return model.unknown


def _ct(what: Json, values: t.Sequence[t.Any]) -> Test:
    if what["key"] == "state":
        return model.state(values)
    if what["key"] == "status" and list(values) == ["dnat"]:
        return lambda packet: packet.redirected
    if what["key"] == "proto-dst" and what.get("dir") == "original":
        ranges = _ranges(values)
        return model.unknown if ranges is None else model.number("original", ranges)
    return model.unknown


def _masked(parts: t.Sequence[t.Any], values: t.Sequence[t.Any]) -> Test:
    left, mask = parts[0], parts[1]
    if left == {"payload": {"protocol": "tcp", "field": "flags"}}:
        known = _names(mask), _names(values)
        return model.unknown if None in known else model.flags(*t.cast("tuple[list[str], list[str]]", known))
    if left == {"meta": {"key": "mark"}} and isinstance(mask, int) and len(values) == 1 and isinstance(values[0], int):
        return model.masked(mask, values[0])
    return model.unknown


def _names(value: t.Any) -> list[str] | None:
    """Names of flags; older releases join them by C(|)."""
    if isinstance(value, str):
        return [value]
    parts = value.get("|") if isinstance(value, dict) else value
    found = [_names(part) for part in parts] if isinstance(parts, list) else [None]
    return None if None in found else [name for names in found for name in names or ()]


def _protocols(values: t.Sequence[t.Any]) -> Test:
    known = [PROTOCOLS.get(value, -1) if isinstance(value, str) else value for value in values]
    whole = all(isinstance(value, int) and value >= 0 for value in known)
    return model.protocol(known) if whole else model.unknown


def _ranges(values: t.Sequence[t.Any]) -> list[tuple[int, int]] | None:
    found = [
        tuple(value["range"]) if isinstance(value, dict) and "range" in value else (value, value) for value in values
    ]
    whole = all(isinstance(first, int) and isinstance(last, int) for first, last in found)
    return t.cast("list[tuple[int, int]]", found) if whole else None


def _networks(values: t.Sequence[t.Any]) -> list[model.Network] | None:
    found: list[model.Network] = []
    try:
        for value in values:
            if isinstance(value, dict) and "prefix" in value:
                found.append(ipaddress.IPv4Network(f"{value['prefix']['addr']}/{value['prefix']['len']}"))
            elif isinstance(value, dict):
                first, last = (ipaddress.IPv4Address(end) for end in value["range"])
                found += ipaddress.summarize_address_range(first, last)
            else:
                found.append(ipaddress.IPv4Network(value))
    except (KeyError, ValueError):
        return None
    return found
