# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read on a host: which programs are asked, and what traffic is kept, from where and by which chain."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.addresses import Place
from ansible_collections.mesh.expansion.plugins.module_utils._host.commands import Result
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall import look as firewall

RULES = Path(__file__).with_name("rules")
MISSING = Result(127, "", "is not installed")
NOTHING = Result(0, '{"nftables": []}', "")
PLACES = (
    Place("lo", ipaddress.ip_address("127.0.0.1"), 8),
    Place("eth0", ipaddress.ip_address("192.168.0.61"), 24),
    Place("docker0", ipaddress.ip_address("172.17.0.1"), 16),
)
TRAFFIC = firewall.Traffic(
    "exposed",
    ["input"],
    "tcp",
    ["192.168.0.81", "10.0.0.9"],
    "192.168.0.62",
    [22, 15012],
    {"state": "new", "flags": ["syn"]},
)


def told(name: str) -> Result:
    return Result(0, (RULES / name).read_text(), "")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What programs print, by their names, and what files have."""
    found: dict[str, Any] = {"nft": NOTHING}
    monkeypatch.setattr(firewall.commands, "run", lambda argv: found.get(argv[0], MISSING))
    monkeypatch.setattr(firewall.paths, "read_text", found.get)
    monkeypatch.setattr(firewall.addresses, "look", lambda: ([], PLACES))
    monkeypatch.setattr(firewall.systemd, "look", lambda names: {})
    return found


def names() -> list[str]:
    return [base.name for base in firewall.bases()[0]]


def test_a_host_without_rules(host: dict[str, Any]) -> None:
    assert firewall.look([]) == {
        "units": {},
        "flushes": False,
        "networks": [
            {"interface": "eth0", "network": "192.168.0.0/24", "engine": False},
            {"interface": "docker0", "network": "172.17.0.0/16", "engine": True},
        ],
        "error": "",
        "kept": [],
        "clashes": [],
    }


def test_rules_of_iptables_without_nft(host: dict[str, Any]) -> None:
    host.update({"nft": MISSING, "iptables-save": told("docker.iptables-save")})
    assert "iptables filter FORWARD" in names()
    host["iptables-nft-save"] = Result(0, "", "")
    assert names() == []


def test_rules_of_both_kinds_of_iptables(host: dict[str, Any]) -> None:
    host.update({"/proc/net/ip_tables_names": "filter\n", "iptables-legacy-save": told("ufw.iptables-save")})
    assert names() == [f"iptables-legacy filter {name}" for name in ("INPUT", "FORWARD", "OUTPUT")]


def test_chains_of_nftables_beside_those_of_iptables(host: dict[str, Any]) -> None:
    text = (RULES / "statements.nft.json").read_text().replace('"inet"', '"ip"')
    host.update({"nft": Result(0, text, ""), "iptables-nft-save": told("docker.iptables-save")})
    assert {"iptables filter INPUT", "ip filter input"} <= set(names())


def test_what_cannot_be_read_is_said(host: dict[str, Any]) -> None:
    host["nft"] = Result(1, "", "Operation not permitted")
    with pytest.raises(HostError, match="ended with 1: Operation not permitted"):
        firewall.bases()
    host["nft"] = Result(0, "table inet filter {", "")
    said = firewall.look([{"name": "x", "hooks": ["input"], "protocol": "tcp", "sources": ["10.0.0.1"]}])
    assert "is not understood" in said["error"]
    assert said["kept"] == []


@pytest.mark.parametrize(
    ("text", "flushes"),
    [("#!/usr/sbin/nft -f\n\nflush ruleset\n", True), ("# flush ruleset\nflush table inet x\n", False), (None, False)],
)
def test_rules_that_take_away_all_others(host: dict[str, Any], text: str | None, flushes: bool) -> None:
    host["/etc/nftables.conf"] = text
    assert firewall.look([])["flushes"] is flushes


def test_what_is_kept(host: dict[str, Any]) -> None:
    host["nft"] = told("firewalld.nft.json")
    assert firewall.kept(firewall.bases()[0], TRAFFIC, PLACES) == [
        {
            "traffic": "exposed",
            "outcome": "dropped",
            "chain": "inet firewalld filter_INPUT",
            "hook": "input",
            "owner": "firewalld",
            "protocol": "tcp",
            "destination": "192.168.0.62",
            "sources": ["192.168.0.81", "10.0.0.9"],
            "ports": [15012],
            "port": None,
            "every": True,
        }
    ]


def test_from_some_it_is_kept_and_from_others_not(host: dict[str, Any]) -> None:
    host["nft"] = told("firewalld-allowed.nft.json")
    pods = firewall.Traffic("x", ["input"], "tcp", ["10.244.0.0/16", "10.0.0.9"], ports=[15012])
    (line,) = firewall.kept(firewall.bases()[0], pods)
    assert (line["sources"], line["every"]) == (["10.0.0.9"], False)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"name": "x", "hooks": ["input"], "protocol": "x", "sources": ["10.0.0.1"]},
        {"name": "x", "hooks": ["input"], "protocol": "tcp", "sources": ["here"]},
        {"name": "x", "hooks": ["input"], "protocol": "tcp", "sources": ["10.0.0.1"], "packet": {"colour": "red"}},
    ],
)
def test_what_cannot_be_asked_about(host: dict[str, Any], item: dict[str, Any]) -> None:
    with pytest.raises(HostError, match="which cannot be asked about"):
        firewall.look([item])


@pytest.mark.parametrize(
    ("source", "places", "hook", "device"),
    [
        ("192.168.0.81", PLACES, "input", "eth0"),
        ("10.0.0.9", PLACES, "forward", "eth0"),
        ("172.17.0.5", PLACES, "input", "docker0"),
        ("10.0.0.9", (*PLACES, Place("eth1", ipaddress.ip_address("10.9.0.1"), 24)), "input", None),
        ("10.244.0.0/16", PLACES, "input", "eth0"),
        ("10.244.0.0/16", PLACES, "forward", None),
        ("", PLACES, "input", "eth0"),
        ("", PLACES, "forward", None),
    ],
)
def test_where_it_comes_in(source: str, places: tuple[Place, ...], hook: str, device: str | None) -> None:
    assert firewall._device(places, source, hook) == device
