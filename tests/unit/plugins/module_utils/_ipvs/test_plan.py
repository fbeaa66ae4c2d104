# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan leads to what is wanted, with the fewest operations, in an order that keeps services served."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import drain, model, options, plan
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.ipvs_strategies import tables


def table_of(entries: list[dict[str, Any]]) -> dict[model.ServiceKey, model.Entry]:
    return plan.simulate({}, plan.plan({}, options.parse_services(entries)))


def lines(operations: list[plan.Operation]) -> list[str]:
    return [str(operation) for operation in operations]


def changes(
    before: list[dict[str, Any]], after: list[dict[str, Any]], purge: str = "real_servers", vips: tuple[str, ...] = ()
) -> list[str]:
    return lines(plan.plan(table_of(before), options.parse_services(after), purge, options.parse_addresses(vips)))


def service(port: int = 80, *servers: str | dict[str, Any], address: str = "10.0.0.1", **values: Any) -> dict[str, Any]:
    listed = [server if isinstance(server, dict) else {"real_server": server} for server in servers]
    return {"tcp_service": f"{address}:{port}", "scheduler": "wrr", "real_servers": listed, **values}


def test_a_new_service_comes_with_its_servers() -> None:
    assert changes([], [service(80, "10.1.0.1", "10.1.0.2")]) == [
        "-A -t 10.0.0.1:80 -s wrr",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -g -w 1",
        "-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1",
    ]


def test_what_is_right_is_left_alone() -> None:
    assert changes([service(80, "10.1.0.2", "10.1.0.1")], [service(80, "10.1.0.1", "10.1.0.2")]) == []


def test_a_scheduler_is_changed_in_place() -> None:
    assert changes([service(80, "10.1.0.1")], [service(80, "10.1.0.1", scheduler="sh", sched_flags=["sh-port"])]) == [
        "-E -t 10.0.0.1:80 -s sh -b sh-port"
    ]


def test_a_change_says_everything_again() -> None:
    old = {
        "real_server": "10.1.0.1",
        "forwarding": "ipip",
        "tun_type": "gue",
        "tun_port": 6080,
        "u_threshold": 9,
        "l_threshold": 3,
    }
    assert changes([service(80, old, persistent=60)], [service(80, {**old, "weight": 4}, persistent=60)]) == [
        "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 4 --tun-type gue --tun-port 6080 --tun-nocsum -x 9 -y 3"
    ]


def test_new_servers_come_first_then_raised_then_lowered_then_removed() -> None:
    before = [
        service(80, "10.1.0.1", {"real_server": "10.1.0.2", "weight": 5}, {"real_server": "10.1.0.3", "weight": 0}),
        service(81, "10.1.0.1"),
    ]
    after = [
        service(80, {"real_server": "10.1.0.2", "weight": 0}, {"real_server": "10.1.0.3", "weight": 2}, "10.1.0.4"),
        service(81, "10.1.0.9"),
    ]
    assert changes(before, after) == [
        "-a -t 10.0.0.1:80 -r 10.1.0.4:80 -g -w 1",
        "-e -t 10.0.0.1:80 -r 10.1.0.3:80 -g -w 2",
        "-e -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 0",
        "-a -t 10.0.0.1:81 -r 10.1.0.9:81 -g -w 1",
        "-d -t 10.0.0.1:80 -r 10.1.0.1:80",
        "-d -t 10.0.0.1:81 -r 10.1.0.1:81",
    ]


@pytest.mark.parametrize(
    ("purge", "expected"),
    [
        ("none", []),
        ("real_servers", ["-d -t 10.0.0.1:80 -r 10.1.0.2:80"]),
        ("services", ["-d -t 10.0.0.1:80 -r 10.1.0.2:80", "-D -t 10.0.0.1:81"]),
        ("all", ["-d -t 10.0.0.1:80 -r 10.1.0.2:80", "-D -t 10.0.0.1:81", "-D -t 10.0.0.2:80", "-D -f 7"]),
    ],
)
def test_purge(purge: str, expected: list[str]) -> None:
    before = [service(80, "10.1.0.1", "10.1.0.2"), service(81), service(80, address="10.0.0.2"), {"fwmark_service": 7}]
    assert changes(before, [service(80, "10.1.0.1")], purge, ("10.0.0.1",)) == expected


@pytest.mark.parametrize("purge", plan.PURGE[:3])
def test_other_addresses_are_never_touched_without_saying_so(purge: str) -> None:
    before = [service(80, "10.1.0.1", address="10.0.0.2"), {"fwmark_service": 7}]
    assert changes(before, [], purge, ("10.0.0.1",)) == []


@pytest.mark.parametrize("purge", plan.PURGE)
def test_servers_that_are_not_given_stay(purge: str) -> None:
    assert changes([service(80, "10.1.0.1")], [{"tcp_service": "10.0.0.1:80", "scheduler": "wrr"}], purge) == []
    assert changes([service(80, "10.1.0.1")], [service(80)], "real_servers") == ["-d -t 10.0.0.1:80 -r 10.1.0.1:80"]


def test_a_drained_server_keeps_everything_but_its_weight() -> None:
    old = {"real_server": "10.1.0.1", "forwarding": "ipip", "tun_type": "gre", "weight": 7, "u_threshold": 9}
    gone = {"real_server": "10.1.0.1", "state": "drained"}
    drained = "-e -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 0 --tun-type gre --tun-nocsum -x 9"
    assert changes([service(80, old)], [service(80, gone)]) == [drained]
    assert changes([service(80, {**old, "weight": 0})], [service(80, gone)]) == []
    assert changes([service(80, "10.1.0.2")], [service(80, gone)], "none") == []


def test_an_absent_server_goes_whatever_the_purge() -> None:
    gone = {"real_server": "10.1.0.1", "state": "absent"}
    for purge in plan.PURGE:
        assert changes([service(80, "10.1.0.1")], [service(80, gone)], purge) == ["-d -t 10.0.0.1:80 -r 10.1.0.1:80"]
        assert changes([service(80)], [service(80, gone)], purge) == []


def test_drained_servers_can_go_afterwards() -> None:
    wanted = options.parse_services(
        [service(80, {"real_server": "10.1.0.1", "state": "drained"}, "10.1.0.2"), {"fwmark_service": 7}]
    )
    assert [(str(key), model.endpoint(*server)) for key, server in drain.drained_keys(wanted)] == [
        ("-t 10.0.0.1:80", "10.1.0.1:80")
    ]
    before = table_of(
        [service(80, "10.1.0.1", "10.1.0.2"), {"fwmark_service": 7, "real_servers": [{"real_server": "10.1.0.3"}]}]
    )
    assert lines(plan.plan(before, drain.without_drained(wanted))) == ["-d -t 10.0.0.1:80 -r 10.1.0.1:80"]


def test_an_absent_service_goes() -> None:
    gone = [options.parse_absent({"tcp_service": "10.0.0.1:80"})]
    assert lines(plan.plan(table_of([service(80, "10.1.0.1")]), gone)) == ["-D -t 10.0.0.1:80"]
    assert plan.plan({}, gone) == []


def test_foreign_values_can_be_shown() -> None:
    """What ipvsadm cannot set is still named, in a diff for instance."""
    key = model.ServiceKey(0, 2, 47, b"\x0a\0\0\1", 0)
    odd = model.Entry(model.Service(key), {(b"\x0a\0\0\2", 0): model.RealServer(b"\x0a\0\0\2", 0, model.LOCAL)})
    assert odd.lines() == ["-A --protocol-47 10.0.0.1:0 -s wlc", "-a --protocol-47 10.0.0.1:0 -r 10.0.0.2:0 -l -w 1"]


def as_wanted(entries: list[dict[str, Any]]) -> dict[model.ServiceKey, model.Entry]:
    return {
        one.service.key: model.Entry(one.service, {server.key: server for server, _state in one.servers or ()})
        for one in options.parse_services(entries)
    }


@settings(max_examples=400)
@given(
    tables(), tables(), st.sampled_from(plan.PURGE), st.sampled_from([(), ("10.0.0.1",), ("10.0.0.1", "2001:db8:1::1")])
)
def test_from_any_table_to_any_other(
    before: list[dict[str, Any]], after: list[dict[str, Any]], purge: str, vips: tuple[str, ...]
) -> None:
    actual, aim = as_wanted(before), as_wanted(after)
    wanted, addresses = options.parse_services(after), options.parse_addresses(vips)
    operations = plan.plan(actual, wanted, purge, addresses)
    result = plan.simulate(actual, operations)

    # It leads there, and stays there.
    assert plan.plan(result, wanted, purge, addresses) == []
    for key, entry in aim.items():
        assert result[key].service == entry.service
        extra = set(result[key].servers) - set(entry.servers)
        assert all(result[key].servers[server] == entry.servers[server] for server in entry.servers)
        assert not extra if purge != "none" else extra <= set(actual[key].servers if key in actual else ())
    for key in set(actual) - set(aim):
        gone = purge == "all" or (purge == "services" and key.address in addresses)
        assert (key not in result) if gone else (result[key] is actual[key])
    assert set(result) <= set(actual) | set(aim)

    # Additions and changes, then deletions.
    kinds = [operation.deletes for operation in operations]
    assert kinds == sorted(kinds)
    # Nothing twice, nothing without effect: the parts of the difference are counted.
    assert len(
        {(operation.kind, operation.service.key, operation.server and operation.server.key) for operation in operations}
    ) == len(operations)
    for operation in operations:
        if operation.kind == plan.SET_SERVICE:
            assert actual[operation.service.key].service != operation.service
        if operation.kind == plan.SET_SERVER:
            assert operation.server is not None
            assert actual[operation.service.key].servers[operation.server.key] != operation.server

    # A service that has servers before and after has one all the time.
    step = actual
    served = {key for key in set(actual) & set(result) if actual[key].servers and result[key].servers}
    for operation in operations:
        step = plan.simulate(step, [operation])
        assert all(step[key].servers for key in served)


@given(tables())
def test_a_table_is_its_own_aim(entries: list[dict[str, Any]]) -> None:
    for purge in plan.PURGE:
        assert plan.plan(as_wanted(entries), options.parse_services(entries), purge) == []


@given(tables(), tables())
def test_lines_are_sorted_and_tell_tables_apart(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    first, second = as_wanted(one), as_wanted(other)
    assert (model.lines(first) == model.lines(second)) == (first == second)
    assert model.lines(dict(reversed(first.items()))) == model.lines(first)


def test_planning_takes_time_in_proportion() -> None:
    """Ten times the table, about ten times the comparisons: counted, not measured."""

    def comparisons(count: int) -> int:
        entries = [service(80, *[f"10.1.{number // 250}.{number % 250 + 1}" for number in range(count)])]
        actual, wanted = as_wanted(entries), options.parse_services(entries)
        counter = Counting(actual[next(iter(actual))].servers)
        plan.plan({key: model.Entry(entry.service, counter) for key, entry in actual.items()}, wanted)
        return counter.looked_up

    assert comparisons(1000) <= 10 * comparisons(100) + 10


class Counting(dict[model.ServerKey, model.RealServer]):
    looked_up = 0

    def get(self, key: Any, default: Any = None) -> Any:
        self.looked_up += 1
        return super().get(key, default)

    def __getitem__(self, key: Any) -> Any:
        self.looked_up += 1
        return super().__getitem__(key)
