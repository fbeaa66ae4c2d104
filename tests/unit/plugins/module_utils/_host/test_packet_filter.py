# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the packet filter lets in, as nftables tells it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.packet_filter import Traffic, dropping, kept_out

WANTED = (Traffic("vrrp", 112), Traffic("sync", 17, 8848))
CHAIN = {"family": "ip", "table": "filter", "name": "INPUT", "hook": "input", "policy": "drop"}


def ruleset(*rules: list[dict[str, Any]], **chain: Any) -> str:
    items: list[dict[str, Any]] = [{"metainfo": {}}, {"chain": {**CHAIN, **chain}}]
    items += [{"rule": {"family": "ip", "table": "filter", "chain": "INPUT", "expr": rule}} for rule in rules]
    return json.dumps({"nftables": items})


def accept(left: dict[str, Any], right: Any, op: str = "==") -> list[dict[str, Any]]:
    return [{"match": {"op": op, "left": left, "right": right}}, {"counter": None}, {"accept": None}]


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


PROTOCOL, L4 = payload("ip", "protocol"), {"meta": {"key": "l4proto"}}
PORT, STATE, INTERFACE = payload("udp", "dport"), {"ct": {"key": "state"}}, {"meta": {"key": "iifname"}}


@pytest.mark.parametrize("policy", ["accept", None])
def test_a_firewall_that_accepts(policy: str | None) -> None:
    assert dropping(ruleset(policy=policy)) == []
    assert kept_out(ruleset(policy=policy), WANTED) == []


def test_a_firewall_that_drops() -> None:
    assert dropping(ruleset()) == ["ip filter INPUT"]
    assert kept_out(ruleset(), WANTED) == ["vrrp", "sync"]
    assert (dropping(""), kept_out("", WANTED)) == ([], [])


@pytest.mark.parametrize(
    ("rule", "left_out"),
    [
        (accept(PROTOCOL, "vrrp"), ["sync"]),
        (accept(PROTOCOL, 112), ["sync"]),
        (accept(L4, {"set": ["vrrp", "udp"]}), []),
        (accept(L4, "tcp"), ["vrrp", "sync"]),
        (accept(PORT, 8848), ["vrrp"]),
        (accept(PORT, 53), ["vrrp", "sync"]),
        (accept(PORT, {"set": [53, {"range": [8000, 9000]}]}), ["vrrp"]),
        (accept(payload("tcp", "dport"), 22), ["vrrp", "sync"]),
        (accept(payload("icmp", "type"), "echo-request"), ["vrrp", "sync"]),
        # Those that were not heard before are new ones.
        (accept(STATE, ["established", "related"], "in"), ["vrrp", "sync"]),
        (accept(INTERFACE, "lo"), ["vrrp", "sync"]),
        (accept(INTERFACE, "eth0"), []),
        # What cannot be told.
        (accept(payload("ip", "saddr"), {"prefix": {"addr": "192.168.0.0", "len": 24}}), []),
        (accept(PORT, "@ports"), ["vrrp"]),
        ([{"match": {"op": "==", "left": PORT, "right": 8848}}, {"drop": None}], ["vrrp", "sync"]),
    ],
)
def test_rules(rule: list[dict[str, Any]], left_out: list[str]) -> None:
    assert kept_out(ruleset(rule), WANTED) == left_out


def test_a_rule_of_another_table_does_not_count() -> None:
    rule = {"family": "inet", "table": "other", "chain": "x", "expr": [{"accept": None}]}
    text = json.loads(ruleset())
    text["nftables"].append({"rule": rule})
    assert kept_out(json.dumps(text), WANTED) == ["vrrp", "sync"]
