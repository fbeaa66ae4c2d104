# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which differences of the table are a check's."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.ask import Asking
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.model import Entry
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.plan import plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import health

NODES = ("192.168.0.71", "192.168.0.72", "192.168.0.73")


def listed(weights: dict[str, int]) -> list[Any]:
    servers = [{"real_server": f"{address}:53", "weight": weight} for address, weight in weights.items()]
    return options.parse_services([{"tcp_service": "192.168.0.62:53", "scheduler": "wrr", "real_servers": servers}])


def table(weights: dict[str, int]) -> dict[Any, Entry]:
    (one,) = listed(weights)
    return {one.service.key: Entry(one.service, {server.key: server for server, _state in one.servers})}


ALL = dict.fromkeys(NODES, 1)
INHIBITED = {**ALL, NODES[1]: 0}
# The second node's in the service.
PLACE = f"tcp-192.168.0.62-53-{NODES[1]}"
REMOVED = {NODES[0]: 1, NODES[2]: 1}


@pytest.mark.parametrize(("kernel", "inhibit"), [(INHIBITED, True), (REMOVED, False)])
def test_a_node_that_a_check_took_out_stays_out(kernel: dict[str, int], inhibit: bool) -> None:
    now = table(kernel)
    assert health.suspects(now, listed(ALL), inhibit) == [PLACE]
    assert plan(now, health.as_checked(now, listed(ALL), inhibit, [PLACE])) == []


@pytest.mark.parametrize(("kernel", "inhibit"), [(INHIBITED, True), (REMOVED, False)])
def test_one_that_answers_is_put_back(kernel: dict[str, int], inhibit: bool) -> None:
    now = table(kernel)
    (operation,) = plan(now, health.as_checked(now, listed(ALL), inhibit, []))
    assert f"-r {NODES[1]}:53 -g -w 1" in str(operation)


@pytest.mark.parametrize(("kernel", "inhibit"), [(INHIBITED, False), (REMOVED, True)])
def test_what_the_check_does_not_do_is_drift(kernel: dict[str, int], inhibit: bool) -> None:
    now = table(kernel)
    assert health.suspects(now, listed(ALL), inhibit) == []
    assert len(plan(now, health.as_checked(now, listed(ALL), inhibit, [PLACE]))) == 1


def test_a_drained_node_is_no_suspect() -> None:
    assert health.suspects(table(INHIBITED), listed(INHIBITED), True) == []


def test_one_that_the_check_has_not_noticed_yet_is_left_to_it() -> None:
    now = table(ALL)
    assert plan(now, health.as_checked(now, listed(ALL), True, [PLACE])) == []


def test_a_node_that_answers_for_another_service_is_out_of_one_only() -> None:
    servers = [{"real_server": f"{address}:80"} for address in NODES]
    both = [*listed(ALL), *options.parse_services([{"tcp_service": "192.168.0.62:80", "real_servers": servers}])]
    now = {**table(INHIBITED), both[1].service.key: Entry(both[1].service, {})}
    (missing, *_more) = plan(now, health.as_checked(now, both, True, [PLACE]))
    assert ":80" in str(missing)
    asked = health.questions(both, Asking(10256, "/healthz"))
    assert (len(asked), len(set(asked.values()))) == (6, 3)


def test_places_for_people() -> None:
    six = "udp-2001:db8::62-53-2001:db8::71"
    assert health.by_node([PLACE, six, PLACE.replace("-53-", "-80-")]) == {
        NODES[1]: ["tcp 192.168.0.62:53", "tcp 192.168.0.62:80"],
        "2001:db8::71": ["udp [2001:db8::62]:53"],
    }
