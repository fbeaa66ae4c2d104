# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet filter lets in, from nftables' own JSON. Pure. Private to the collection."""

from __future__ import annotations

import json
import typing as t

Json = t.Mapping[str, t.Any]

_NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "dccp": 33, "icmpv6": 58, "ipv6-icmp": 58, "vrrp": 112, "sctp": 132}


class Traffic(t.NamedTuple):
    """What is to get in, from a host that was not heard before."""

    name: str
    protocol: int
    port: int = 0


def dropping(chains: str) -> list[str]:
    """The chains at the hook input that drop by default, from C(nft -j list chains)."""
    return [_name(chain) for chain in _dropping(_items(chains, "chain"))]


def kept_out(ruleset: str, wanted: t.Sequence[Traffic]) -> list[str]:
    """What no rule could let in where nothing gets in without one, from C(nft -j list ruleset)."""
    chains = [chain for chain in _dropping(_items(ruleset, "chain")) if chain["family"] in ("ip", "inet")]
    rules = _items(ruleset, "rule")
    found = []
    for chain in chains:
        # Of all chains of the table, as one may lead to the other.
        near = [rule["expr"] for rule in rules if _table(rule) == _table(chain)]
        found += [one.name for one in wanted if not any(_accepts(rule, one) for rule in near)]
    return list(dict.fromkeys(found))


def _items(text: str, kind: str) -> list[Json]:
    items = json.loads(text).get("nftables", []) if text else []
    return [item[kind] for item in items if kind in item]


def _dropping(chains: t.Iterable[Json]) -> list[Json]:
    return [chain for chain in chains if chain.get("hook") == "input" and chain.get("policy") == "drop"]


def _table(item: Json) -> tuple[str, str]:
    return item["family"], item["table"]


def _name(chain: Json) -> str:
    return f"{chain['family']} {chain['table']} {chain['name']}"


def _accepts(rule: t.Sequence[Json], wanted: Traffic) -> bool:
    """Whether it may let it in: what cannot be told, such as an address or a set, counts as yes."""
    if not any("accept" in part or "vmap" in part for part in rule):
        return False
    return all(_fits(part["match"], wanted) for part in rule if "match" in part)


def _fits(match: Json, wanted: Traffic) -> bool:
    left, values = match["left"], _values(match["right"])
    payload, meta, state = left.get("payload") or {}, left.get("meta") or {}, left.get("ct") or {}
    if _NUMBERS.get(payload.get("protocol", ""), wanted.protocol) != wanted.protocol:
        return False
    if match.get("op") not in ("==", "in") or values is None:
        return True
    if payload.get("field") in ("protocol", "nexthdr") or meta.get("key") == "l4proto":
        return wanted.protocol in {_NUMBERS.get(value, value) for value in values}
    if payload.get("field") == "dport":
        return wanted.port in values
    if state.get("key") == "state":
        return bool({"new", "untracked"} & set(values))
    if meta.get("key") in ("iif", "iifname"):
        return list(values) != ["lo"]
    return True


def _values(right: t.Any) -> t.Collection[t.Any] | None:
    """The values that fit; nothing when they cannot be told."""
    if isinstance(right, dict):
        if "range" in right:
            first, last = right["range"]
            return range(first, last + 1) if isinstance(first, int) else None
        parts = [_values(part) for part in right.get("set") or ()]
        known = [part for part in parts if part is not None]
        return [value for part in known for value in part] if parts and len(known) == len(parts) else None
    if isinstance(right, list):
        return right
    return None if isinstance(right, str) and right.startswith("@") else [right]
