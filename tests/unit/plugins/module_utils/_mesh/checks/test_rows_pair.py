# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The row of several directors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows_pair

MAC = "02:00:00:00:00:61"
GOOD: dict[str, Any] = {
    "lvs1": {
        "places": ["vec0/32"],
        "drained": [],
        "keepalived": {"active": True, "standby": False, "synchronisation": ["master"], "answered_by": []},
    },
    "lvs2": {
        "places": [],
        "drained": [],
        "keepalived": {"active": True, "standby": False, "synchronisation": ["backup"], "answered_by": [MAC]},
    },
}


def test_one_holds_it_and_the_other_would() -> None:
    row = rows_pair.row(GOOD)
    assert (row.ok, row.detail) == (True, "lvs1 holds it, lvs2 would take it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda seen: seen["lvs1"].update(places=[]), "no director holds the VIP"),
        (lambda seen: seen["lvs2"].update(places=["vec0/32"]), "lvs1, lvs2 hold the VIP at the same time"),
        (lambda seen: seen["lvs2"]["keepalived"].update(active=False), "keepalived does not run on lvs2"),
        (lambda seen: seen["lvs2"]["keepalived"].update(synchronisation=[]), "on lvs2 is none, should be backup"),
        (lambda seen: seen["lvs2"]["keepalived"].update(standby=True), "lvs2 is kept from holding the VIP"),
        (
            lambda seen: seen["lvs1"]["keepalived"].update(answered_by=["52:54:00:12:34:56"]),
            f"the VIP is answered from {MAC}, 52:54:00:12:34:56",
        ),
        (lambda seen: seen["lvs2"].update(drained=["192.168.0.72"]), "not the same nodes are out of service"),
        (lambda seen: seen.update(lvs2={"unreachable": True}), "lvs2 was not reached"),
    ],
)
def test_what_is_wrong(change: Callable[[dict[str, Any]], None], said: str) -> None:
    seen = copy.deepcopy(GOOD)
    change(seen)
    row = rows_pair.row(seen)
    assert not row.ok
    assert said in row.detail
