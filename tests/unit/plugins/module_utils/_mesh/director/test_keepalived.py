# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of keepalived's configuration."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import text_file
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import keepalived
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.model import REMOVE, Wanted

DIRECTORS = [{"name": "lvs1", "address": "192.168.0.61"}, {"name": "lvs2", "address": "192.168.0.63"}]
PILOT: dict[str, Any] = {
    "tcp_service": "192.168.0.62:15011",
    "scheduler": "wrr",
    "persistent": 300,
    "real_servers": [
        {"real_server": "192.168.0.72:15011"},
        {"real_server": "192.168.0.73", "weight": 0, "u_threshold": 9, "forwarding": "masquerading"},
    ],
}
DNS = {"udp_service": "192.168.0.62:53", "ops": True, "real_servers": [{"real_server": "192.168.0.71:53"}]}
PAIR = Wanted(
    ipaddress.ip_address("192.168.0.62"), services=[PILOT, DNS], host="lvs2", directors=DIRECTORS, ha="keepalived"
)
CHECKED = dataclasses.replace(PAIR, ha="none", health="keepalived")


def text(wanted: Wanted) -> str:
    return keepalived.configuration(wanted, "vec0", wanted.services)


def blocks(found: str, head: str) -> list[list[str]]:
    """The lines within each block that begins like that, without their indentation."""
    lines = [line.strip() for line in found.splitlines()]
    result = []
    for number, line in enumerate(lines):
        if line.startswith(head) and line.endswith("{"):
            depth, inside = 1, []
            for one in lines[number + 1 :]:
                depth += one.endswith("{") - (one == "}")
                if not depth:
                    break
                inside.append(one)
            result.append(inside)
    return result


def test_an_instance_of_vrrp() -> None:
    (instance,) = blocks(text(PAIR), "vrrp_instance")
    for line in ("interface vec0", "state BACKUP", "nopreempt", "virtual_router_id 62", "priority 190"):
        assert line in instance
    assert blocks(text(PAIR), "unicast_peer") == [["192.168.0.61"]]
    assert blocks(text(PAIR), "virtual_ipaddress") == [["192.168.0.62/32 dev vec0"]]
    assert "lvs_sync_daemon vec0 MESH id 62" in blocks(text(PAIR), "global_defs")[0]


def test_what_is_given_counts() -> None:
    given = dataclasses.replace(PAIR, router_id=7, priority=50, advert_interval=1)
    (instance,) = blocks(text(given), "vrrp_instance")
    assert {"virtual_router_id 7", "priority 50", "advert_int 1"} <= set(instance)


def test_the_first_director_has_the_highest_priority() -> None:
    first = dataclasses.replace(PAIR, host="lvs1")
    assert keepalived.priority(first) > keepalived.priority(PAIR)


def test_virtual_servers_are_there_for_checks_only() -> None:
    assert blocks(text(PAIR), "virtual_server") == []
    assert blocks(text(CHECKED), "vrrp_instance") == []
    assert "lvs_sync_daemon" not in text(CHECKED)
    pilot, dns = blocks(text(CHECKED), "virtual_server")
    assert {"lb_algo wrr", "protocol TCP", "persistence_timeout 300"} <= set(pilot)
    assert {"lb_algo wlc", "protocol UDP", "ops"} <= set(dns)


def test_one_that_is_ended_gives_the_address_away_first() -> None:
    followed = blocks(text(PAIR), "track_file leaving")
    assert followed == [["file /run/mesh-director-leaving", "weight 0"]]
    assert blocks("\n".join(blocks(text(PAIR), "vrrp_instance")[0]), "track_file") == [["standby", "leaving"]]
    lines = keepalived.drop_in(PAIR).splitlines()
    assert [line for line in lines if line.startswith("Exec")] == [
        "ExecStop=-/usr/bin/timeout 3 /bin/sh -c 'echo 1 >/run/mesh-director-leaving; "
        "while ip -o address show to 192.168.0.62 | grep -q .; do sleep 0.1; done'",
        "ExecStopPost=-/bin/rm -f /run/mesh-director-leaving",
    ]
    assert "Exec" not in keepalived.drop_in(CHECKED)


def test_real_servers() -> None:
    one, two, three = blocks(text(CHECKED), "real_server")
    assert {"weight 1", "inhibit_on_failure", "track_file tcp-192.168.0.62-15011-192.168.0.72"} <= set(one)
    assert {"weight 0", "uthreshold 9", "lb_kind NAT"} <= set(two)
    assert "real_server 192.168.0.73 15011 {" in text(CHECKED)
    assert "lb_kind NAT" not in one + three
    assert "inhibit_on_failure" not in text(dataclasses.replace(CHECKED, health_failed=REMOVE))


def test_each_place_of_a_node_is_followed_by_a_file_of_its_own() -> None:
    names = [name for name in text(CHECKED).splitlines() if name.startswith("track_file ")]
    assert names == [
        "track_file tcp-192.168.0.62-15011-192.168.0.72 {",
        "track_file tcp-192.168.0.62-15011-192.168.0.73 {",
        "track_file udp-192.168.0.62-53-192.168.0.71 {",
    ]
    (followed,) = blocks(text(CHECKED), "track_file udp-")
    assert followed == ["file /run/mesh-expansion/udp-192.168.0.62-53-192.168.0.71", "weight 0"]


def test_what_keepalived_cannot_do_is_named() -> None:
    odd = {**PILOT, "pe": "sip", "real_servers": [{"real_server": "192.168.0.72", "tun_type": "gue"}]}
    assert keepalived.unsupported([PILOT, DNS]) == []
    assert keepalived.unsupported([odd]) == [
        "pe of tcp 192.168.0.62:15011",
        "tun_type of 192.168.0.72 of tcp 192.168.0.62:15011",
    ]


def test_a_file_is_known_as_ours() -> None:
    assert keepalived.is_ours(text_file(text(CHECKED)))
    assert not keepalived.is_ours(text_file("vrrp_instance MESH {\n}\n"))
    assert keepalived.holds(text_file(text(PAIR)))
    assert not keepalived.holds(text_file(text(CHECKED)))


def test_an_address_that_is_none_is_named() -> None:
    wrong = dataclasses.replace(PAIR, directors=[DIRECTORS[1], {"name": "lvs1", "address": "lvs1.example.com"}])
    with pytest.raises(HostError, match=r"the address of lvs1 in directors is 'lvs1\.example\.com'"):
        text(wrong)
