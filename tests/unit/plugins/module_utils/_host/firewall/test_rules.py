# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of packets: rules of nftables and iptables one by one, and whole sets as firewalls write them."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall import nft, xtables
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall.model import Base, Packet
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall.walk import verdict

RULES = Path(__file__).with_name("rules")
SYN = Packet(
    "input",
    6,
    source=IPv4Network("192.168.0.81"),
    destination=IPv4Network("192.168.0.62"),
    dport=15012,
    flags=frozenset({"syn"}),
    iif="eth0",
    kind="local",
)


def sample(name: str) -> list[Base]:
    path = RULES / f"{name}.iptables-save"
    return xtables.bases(path.read_text(), "iptables") if path.exists() else nft.bases(nft_text(name))


def nft_text(name: str) -> str:
    return (RULES / f"{name}.nft.json").read_text()


def outcome(bases: list[Base], **changes: Any) -> str:
    return verdict(bases, SYN._replace(**changes)).outcome


def ruleset(*rules: list[dict[str, Any]], policy: str = "drop", **chains: list[dict[str, Any]]) -> list[Base]:
    chain = {"family": "ip", "table": "t", "name": "in", "hook": "input", "prio": 0, "policy": policy}
    named = [("in", rule) for rule in rules] + list(chains.items())
    items: list[dict[str, Any]] = [{"metainfo": {}}, {"chain": chain}]
    items += [{"rule": {"family": "ip", "table": "t", "chain": name, "expr": rule}} for name, rule in named]
    return nft.bases(json.dumps({"nftables": items}))


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


ACCEPT: dict[str, Any] = {"accept": None}
PORT, SOURCE, STATE = payload("tcp", "dport"), payload("ip", "saddr"), {"ct": {"key": "state"}}
FLAGS = {"&": [payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ([], "passes"),
        ([match(PORT, 15012)], "passes"),
        ([match(PORT, 53)], "dropped"),
        ([match(PORT, 53, "!=")], "passes"),
        ([match(PORT, 15000, ">")], "unclear"),
        ([match(PORT, {"set": [53, {"range": [15000, 15020]}]})], "passes"),
        ([match(payload("th", "dport"), 15012)], "passes"),
        # A header that the packet has not fits nothing, not even by being different.
        ([match(payload("udp", "dport"), 53, "!=")], "dropped"),
        ([match(payload("ip6", "saddr"), "::1", "!=")], "dropped"),
        ([match(payload("icmp", "type"), "echo-request")], "dropped"),
        ([match(SOURCE, {"prefix": {"addr": "192.168.0.0", "len": 24}})], "passes"),
        ([match(SOURCE, {"range": ["192.168.0.1", "192.168.0.80"]})], "dropped"),
        ([match(SOURCE, "@nobody")], "unclear"),
        ([match(payload("ip", "ttl"), 1)], "unclear"),
        ([match(payload("ip", "protocol"), "tcp")], "passes"),
        ([match({"meta": {"key": "l4proto"}}, {"set": ["vrrp", "udp"]})], "dropped"),
        ([match({"meta": {"key": "nfproto"}}, "ipv6")], "dropped"),
        ([match({"meta": {"key": "iifname"}}, {"set": ["br-*", "eth*"]})], "passes"),
        ([match({"meta": {"key": "iifname"}}, "lo")], "dropped"),
        ([match({"meta": {"key": "mark"}}, 1)], "unclear"),
        ([match(STATE, ["established", "related"], "in")], "dropped"),
        ([match(STATE, ["new", "untracked"], "in")], "passes"),
        ([match(FLAGS, "syn")], "passes"),
        ([match(FLAGS, "syn", "!=")], "dropped"),
        # As releases before 1.0.3 write it.
        ([match({"&": [payload("tcp", "flags"), {"|": [{"|": ["fin", "syn"]}, "ack"]}]}, "syn")], "passes"),
        ([match({"fib": {"result": "type", "flags": ["daddr"]}}, "local")], "passes"),
        ([match({"fib": {"result": "oif", "flags": ["saddr", "iif"]}}, False)], "unclear"),
        ([match(PORT, 15012), {"limit": {"rate": 1, "per": "second"}}], "unclear"),
        ([{"counter": None}, {"log": None}], "passes"),
        ([{"xt": {"type": "match", "name": "comment"}}], "unclear"),
        ([{"something": "new"}], "unclear"),
        ([{"match": "strange"}], "unclear"),
    ],
)
def test_a_rule_that_accepts(tests: list[dict[str, Any]], expected: str) -> None:
    assert outcome(ruleset([*tests, ACCEPT])) == expected


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        ({"vmap": {"key": STATE, "data": {"set": [["new", ACCEPT], ["invalid", {"drop": None}]]}}}, "passes"),
        ({"vmap": {"key": PORT, "data": {"set": [[53, ACCEPT]]}}}, "dropped"),
        ({"vmap": {"key": PORT, "data": "@nobody"}}, "unclear"),
        ({"jump": {"target": "more"}}, "passes"),
        ({"goto": {"target": "more"}}, "passes"),
        ({"jump": {"target": "nowhere"}}, "dropped"),
        ({"return": None}, "dropped"),
        ({"reject": {"type": "tcp reset"}}, "dropped"),
        ({"queue": {"num": 0}}, "unclear"),
        ({"xt": {"type": "target", "name": "REJECT"}}, "dropped"),
        ({"xt": {"type": "target", "name": "NFQUEUE"}}, "unclear"),
        ({"xt": None}, "unclear"),
    ],
)
def test_where_a_rule_leads(expr: dict[str, Any], expected: str) -> None:
    assert outcome(ruleset([expr], more=[match(PORT, 15012), ACCEPT])) == expected


def test_a_chain_s_end() -> None:
    assert outcome(ruleset(policy="accept")) == "passes"
    assert outcome(ruleset()) == "dropped"
    # After goto it is the end, after jump the next rule's turn.
    empty = [match(PORT, 1), ACCEPT]
    assert outcome(ruleset([{"jump": {"target": "more"}}], [ACCEPT], more=empty)) == "passes"
    assert outcome(ruleset([{"goto": {"target": "more"}}], [ACCEPT], more=empty)) == "dropped"


def test_every_chain_at_a_hook_has_a_say() -> None:
    first, second = ruleset([ACCEPT]), ruleset([match(PORT, 53), ACCEPT])
    assert outcome(first + first) == "passes"
    assert verdict(first + second, SYN) == ("dropped", second[0])


def test_no_rules_at_all() -> None:
    assert outcome(nft.bases("")) == outcome(xtables.bases("", "iptables")) == "passes"
    assert nft.dropping("") == []


def test_chains_that_drop_by_default() -> None:
    assert nft.dropping(nft_text("statements")) == ["inet filter input"]
    assert nft.dropping(nft_text("firewalld")) == []


def test_all_statements_are_read() -> None:
    # Whom it bans changes with time.
    assert outcome(sample("statements"), dport=22) == "unclear"
    bases = nft.bases(nft_text("statements").replace('"@banned"', '"10.0.0.9"'))
    assert outcome(bases, dport=22) == "passes"
    # The packet that is not tracked, and the same to another address.
    assert outcome(bases, state="invalid", dport=22) == "passes"
    assert outcome(bases, state="invalid", dport=22, destination=IPv4Network("192.168.0.63")) == "dropped"
    friend = {"source": IPv4Network("10.244.1.0/24"), "dport": 15006, "original": 9080}
    assert outcome(bases, **friend) == "passes"
    # Of the next rule nobody knows: nft itself prints its ports as invalid.
    stranger = {**friend, "source": IPv4Network("10.9.0.0/24"), "flags": frozenset({"ack"})}
    assert outcome(bases, **{**stranger, "dport": 15006}) == "passes"
    assert outcome(bases, **{**stranger, "original": 9081}) == "unclear"
    assert outcome(bases, protocol=112, flags=None, dport=None) == "passes"
    assert outcome(bases, hook="prerouting", dport=8080) == "taken"
    assert outcome(bases, hook="output", dport=25, destination=IPv4Network("1.2.3.4"), oif="eth0") == "dropped"


@pytest.mark.parametrize(
    ("rules", "changes", "expected"),
    [
        ("firewalld", {}, "dropped"),
        ("firewalld", {"dport": 22}, "passes"),
        ("firewalld", {"state": "established"}, "passes"),
        ("firewalld", {"redirected": True}, "passes"),
        ("firewalld", {"iif": "lo"}, "passes"),
        ("firewalld-allowed", {"dport": 15006}, "passes"),
        ("firewalld-allowed", {"dport": 15007}, "dropped"),
        ("firewalld-allowed", {"source": IPv4Network("10.244.0.0/16")}, "passes"),
        ("firewalld-allowed", {"source": IPv4Network("10.0.0.0/8")}, "unclear"),
        ("firewalld-allowed", {"source": None}, "unclear"),
        ("ufw", {}, "dropped"),
        ("ufw", {"dport": 22}, "passes"),
        ("ufw", {"dport": 22, "state": "invalid"}, "dropped"),
        ("ufw", {"dport": 22, "state": "established"}, "passes"),
        ("ufw", {"hook": "output"}, "passes"),
        ("ufw", {"hook": "forward"}, "dropped"),
        ("ufw-allowed", {"dport": 15006}, "dropped"),
        ("ufw-allowed", {"dport": 15006, "source": IPv4Network("10.244.7.0/24")}, "passes"),
        ("docker", {}, "passes"),
        ("docker", {"hook": "forward"}, "dropped"),
        ("docker", {"hook": "forward", "iif": "docker0", "oif": "eth0"}, "passes"),
        ("docker", {"hook": "forward", "iif": None}, "unclear"),
        ("docker", {"hook": "prerouting", "dport": 9080}, "passes"),
        ("docker-published", {"hook": "prerouting", "dport": 9080}, "taken"),
        ("docker-published", {"hook": "prerouting", "dport": 9080, "kind": "unicast"}, "passes"),
    ],
)
def test_rules_that_others_write(rules: str, changes: dict[str, Any], expected: str) -> None:
    assert outcome(sample(rules), **changes) == expected


@pytest.mark.parametrize(
    ("rule", "changes", "expected"),
    [
        ("-p tcp -m tcp --dport 15012 -j ACCEPT", {}, "passes"),
        ("-p tcp -m multiport --dports 53,15000:15020 -j ACCEPT", {}, "passes"),
        ("-p tcp -m tcp ! --dport 22 -j ACCEPT", {}, "passes"),
        ("-p tcp -m tcp --dport 16000: -j ACCEPT", {}, "dropped"),
        ("! -s 192.168.0.0/24 -j ACCEPT", {}, "dropped"),
        ("-s 192.168.0.81/32,10.0.0.0/8 -j ACCEPT", {}, "passes"),
        ('-i eth+ -m comment --comment "let\'s see" -j ACCEPT', {}, "passes"),
        ("! -i lo -j ACCEPT", {}, "passes"),
        ("-p 112 -j ACCEPT", {}, "dropped"),
        ("-p all -j ACCEPT", {}, "passes"),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", {}, "passes"),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j ACCEPT", {}, "dropped"),
        ("-p tcp -m tcp --tcp-flags ALL NONE -j ACCEPT", {}, "dropped"),
        ("-m conntrack --ctstate NEW,UNTRACKED -j ACCEPT", {}, "passes"),
        ("-m conntrack --ctstate DNAT -j ACCEPT", {"redirected": True}, "passes"),
        ("-m conntrack ! --ctstate DNAT -j ACCEPT", {"redirected": True}, "dropped"),
        ("-p tcp -m conntrack --ctorigdstport 9080 -j ACCEPT", {"original": 9080}, "passes"),
        ("-m mark --mark 0x4000/0x4000 -j ACCEPT", {"mark": 0x4000}, "passes"),
        ("-m mark --mark 0x4000/0x4000 -j ACCEPT", {}, "unclear"),
        ("-m connmark --mark 0x4000/0x4000 -j ACCEPT", {"mark": 0x4000}, "unclear"),
        ("-m set --match-set friends src -j ACCEPT", {}, "unclear"),
        ("-m socket --transparent -j ACCEPT", {}, "unclear"),
        ("-m rpfilter -j ACCEPT", {}, "unclear"),
        ("-m limit --limit 3/min --limit-burst 10 -j ACCEPT", {}, "unclear"),
        ("-p tcp", {}, "dropped"),
        ('-j LOG --log-prefix "[x] "', {}, "dropped"),
        ("-j NFQUEUE --queue-num 1", {}, "unclear"),
        ("-j more", {}, "passes"),
        ("-g more", {}, "passes"),
    ],
)
def test_rules_of_iptables(rule: str, changes: dict[str, Any], expected: str) -> None:
    text = f"*filter\n:INPUT DROP [0:0]\n:more - [0:0]\n-A INPUT {rule}\n-A more -j ACCEPT\nCOMMIT\n"
    assert outcome(xtables.bases(text, "iptables"), **changes) == expected


@pytest.mark.parametrize("rule", ["-j NOTRACK", "-j CT --notrack"])
def test_what_is_not_tracked_is_never_invalid(rule: str) -> None:
    raw = f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 192.168.0.62/32 {rule}\nCOMMIT\n"
    drop = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    assert outcome(xtables.bases(drop, "iptables"), state="invalid") == "dropped"
    assert outcome(xtables.bases(raw + drop, "iptables"), state="invalid") == "passes"
    doubtful = raw.replace("-j", "-m limit --limit 1/min -j")
    assert outcome(xtables.bases(doubtful + drop, "iptables"), state="invalid") == "unclear"


@pytest.mark.parametrize(
    ("rules", "hook", "owner"),
    [
        ("ufw", "input", "ufw"),
        ("docker", "forward", "docker"),
        ("docker", "prerouting", "docker"),
        ("firewalld", "input", "firewalld"),
        ("statements", "input", "nft"),
    ],
)
def test_whose_rules_they_are(rules: str, hook: str, owner: str) -> None:
    assert {base.owner for base in sample(rules) if base.hook == hook} == {owner}


def test_rules_of_the_cluster() -> None:
    text = "*filter\n:FORWARD ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\nCOMMIT\n"
    assert [base.owner for base in xtables.bases(text, "iptables")] == ["cluster"]


CHAIN = {"family": "ip", "table": "nat", "name": "PREROUTING", "hook": "prerouting", "prio": -100}


@pytest.mark.parametrize(
    ("chain", "read", "clash"),
    [
        ({}, False, False),
        ({"name": "prerouting"}, True, False),
        ({"table": "mine"}, True, False),
        ({"family": "inet"}, True, False),
        ({"prio": -90}, True, True),
        ({"name": "POSTROUTING", "hook": "postrouting"}, True, True),
    ],
)
def test_chains_beside_those_of_iptables(chain: dict[str, Any], read: bool, clash: bool) -> None:
    told = {(*base.name.split()[1:], base.priority) for base in sample("docker")}
    assert ("nat", "POSTROUTING", 100) in told
    listed = json.dumps({"nftables": [{"chain": {**CHAIN, **chain}}]})
    assert len(nft.bases(listed, lambda *own: own in told)) == read
    assert len(nft.clashes(listed, xtables.priority)) == clash
