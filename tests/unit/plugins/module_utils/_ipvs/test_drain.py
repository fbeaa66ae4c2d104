# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import drain
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import ValidationError


def server(endpoint, weight=1, **more):
    return {"real_server": endpoint, "forwarding": "gatewaying", "weight": weight, **more}


PILOT = {
    "tcp_service": "192.168.0.62:15011",
    "scheduler": "wrr",
    "real_servers": [server("192.168.0.72:15011", 3), server("192.168.0.73:15011", 2)],
}
DNS = {"udp_service": "192.168.0.62:53", "scheduler": "wrr", "real_servers": [server("192.168.0.71:53")]}
MARK = {
    "fwmark_service": 5,
    "ipv6": True,
    "scheduler": "rr",
    "real_servers": [server("[fd00::72]:0"), server("fd00::73")],
}


def weights(services):
    return {item["real_server"]: item["weight"] for service in services for item in service["real_servers"]}


def test_drained():
    before = copy.deepcopy(PILOT)
    assert weights(drain.drained([PILOT, DNS], ["192.168.0.72"])) == {
        "192.168.0.72:15011": 0,
        "192.168.0.73:15011": 2,
        "192.168.0.71:53": 1,
    }
    assert before == PILOT


def test_drained_nobody_is_the_table_itself():
    assert drain.drained([PILOT, DNS], []) == [PILOT, DNS]


def test_addresses_are_compared_as_addresses():
    assert weights(drain.drained([MARK], ["fd00:0::72"])) == {"[fd00::72]:0": 0, "fd00::73": 1}


def test_plan_of_a_node():
    plan = drain.node_plan([PILOT, DNS], "192.168.0.72")
    (service,) = plan["drain"]
    assert service == {**PILOT, "real_servers": [server("192.168.0.72:15011", 3, state="drained")]}
    assert plan["weights"] == {"tcp 192.168.0.62:15011": {"192.168.0.72:15011": 3}}
    assert plan["last_of"] == []


def test_the_last_one_of_a_service():
    other_is_out = {**PILOT, "real_servers": [server("192.168.0.72:15011"), server("192.168.0.73:15011", 0)]}
    assert drain.node_plan([other_is_out], "192.168.0.72")["last_of"] == ["tcp 192.168.0.62:15011"]
    assert drain.node_plan([PILOT, DNS], "192.168.0.71")["last_of"] == ["udp 192.168.0.62:53"]


def test_back_with_the_weights_that_it_had():
    services = [PILOT, DNS]
    remembered = drain.node_plan(services, "192.168.0.72")["weights"]
    plan = drain.node_plan(drain.drained(services, ["192.168.0.72"]), "192.168.0.72", remembered)
    assert plan["undrained"] == services
    assert weights(plan["undrain"]) == {"192.168.0.72:15011": 3}


def test_a_service_that_was_added_meanwhile_gets_weight_1():
    plan = drain.node_plan(drain.drained([PILOT], ["192.168.0.72"]), "192.168.0.72", {})
    assert weights(plan["undrain"]) == {"192.168.0.72:15011": 1}


def test_counters_are_left_out():
    seen = {**DNS, "statistics": {}, "real_servers": [server("192.168.0.71:53", statistics={}, active_connections=1)]}
    assert drain.node_plan([seen], "192.168.0.71")["undrained"] == [DNS]


def test_names():
    assert [drain.name_of(service) for service in (PILOT, DNS, MARK)] == [
        "tcp 192.168.0.62:15011",
        "udp 192.168.0.62:53",
        "fwmark 5 ipv6",
    ]


def test_a_service_without_a_key():
    with pytest.raises(ValidationError, match="a virtual service has none of tcp_service"):
        drain.node_plan([{"real_servers": []}], "192.168.0.72")


def test_an_address_that_is_none():
    with pytest.raises(ValidationError, match="the address of a drained node is 'x'"):
        drain.drained([PILOT], ["x"])
    with pytest.raises(ValidationError, match="the address of the node is 'x'"):
        drain.node_plan([PILOT], "x")
