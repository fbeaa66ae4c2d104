# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Established connections go on, whatever else changes."""

from __future__ import annotations

import time
from typing import Any

from tests.integration.ipvs.director import Worker

HELD = "127.0.0.9:5000"


def table(
    service: dict[str, Any], server: dict[str, Any], *others: dict[str, Any], more: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    held = {"real_server": "127.0.0.1:5000", "forwarding": "masquerading", **server}
    return [{"tcp_service": HELD, "scheduler": "rr", **service, "real_servers": [held, *more]}, *others]


def test_a_connection_survives_every_change_around_it(empty: Worker) -> None:
    empty.call("shell", arguments=["ip", "addr", "add", "127.0.0.9/32", "dev", "lo"])
    empty.call("converge", services=table({}, {}))
    assert empty.call("hold", virtual=["127.0.0.9", 5000], real=["127.0.0.1", 5000])
    another = {"real_server": "127.0.0.2:5000", "forwarding": "masquerading"}
    other = {"udp_service": "127.0.0.9:53", "real_servers": [another]}
    steps = [
        *(table({"scheduler": scheduler}, {}) for scheduler in ("wrr", "lc", "wlc", "sh", "mh", "dh")),
        table({"scheduler": "sh", "sched_flags": ["sh-port", "sh-fallback"]}, {}),
        table({"persistent": 60}, {}),
        table({"persistent": 61, "netmask": "24"}, {}),
        table({}, {"weight": 7}),
        table({}, {"weight": 0}),
        table({}, {"u_threshold": 5}),
        table({}, {"u_threshold": 5, "l_threshold": 2}),
        table({}, {}, more=(another,)),
        table({}, {}, more=({**another, "weight": 9},)),
        table({}, {}),
        table({}, {}, other, {"fwmark_service": 7, "real_servers": [another]}),
        table({}, {}, {**other, "ops": True, "scheduler": "rr"}),
        table({}, {}),
    ]
    for step in steps:
        assert empty.call("converge", services=step)["operations"], step
        assert empty.call("echo"), step
        (state,) = (one for one in empty.call("states") if one["service"] == f"-t {HELD}")
        assert [server[1] for server in state["servers"] if server[0] == "127.0.0.1:5000"] == [1], step
    empty.call("release")


def test_counts_and_statistics_are_the_kernels(empty: Worker) -> None:
    """On addresses of its own: a real server that comes back has its old connections and counters."""
    empty.call("shell", arguments=["ip", "addr", "add", "127.0.0.10/32", "dev", "lo"])
    empty.call(
        "converge",
        services=[
            {
                "tcp_service": "127.0.0.10:5001",
                "real_servers": [{"real_server": "127.0.0.3:5001", "forwarding": "masquerading"}],
            }
        ],
    )
    assert empty.call("hold", virtual=["127.0.0.10", 5001], real=["127.0.0.3", 5001])
    # The kernel sums its counters up every two seconds.
    time.sleep(3)
    (state,) = empty.call("states")
    ((_name, active, inactive, persistent, statistics),) = state["servers"]
    assert (active, inactive, persistent) == (1, 0, 0)
    said = empty.ipvsadm("-L", "-n", "--stats", "--exact").splitlines()[-1].split()
    empty.call("release")
    names = ("connections", "in_packets", "out_packets", "in_bytes", "out_bytes")
    assert [str(statistics[name]) for name in names] == said[2:]
    assert statistics["connections"] == 1
