# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From any table to any other, as the kernel, we and ipvsadm see it."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model, options, plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.ipvs.director import Worker
from tests.unit.plugins.ipvs_strategies import tables
from tests.unit.plugins.modules.test_ipvs_modules import CHANGES, SERVER_CHANGES

EXAMPLES = int(os.environ.get("MESH_EXPANSION_EXAMPLES", "200"))


def ours(table: list[dict[str, Any]]) -> list[str]:
    return model.lines(plan.simulate({}, plan.plan({}, options.parse_services(table))))


def as_ipvsadm_says(lines: list[str]) -> list[str]:
    """Without what `ipvsadm -S` leaves out (thresholds, a mask that has no effect), and with its
    way to write large marks."""
    said = []
    for line in lines:
        line = re.sub(r" -[xy] \d+", "", line)
        if " -p " not in line:
            line = re.sub(r" -M \S+", "", line)
        said.append(re.sub(r"-f (\d+)", lambda match: f"-f {(int(match[1]) + 2**31) % 2**32 - 2**31}", line))
    return sorted(said)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=tables(), after=tables(), by_ipvsadm=st.booleans())
def test_from_any_table_to_any_other(
    worker: Worker, before: list[dict[str, Any]], after: list[dict[str, Any]], by_ipvsadm: bool
) -> None:
    worker.ipvsadm("-C")
    if by_ipvsadm:
        worker.ipvsadm("-R", given="".join(f"{line}\n" for line in ours(before)))
    else:
        worker.call("converge", services=before)
    assert worker.call("read") == ours(before)

    done = worker.call("converge", services=after)
    assert done["after"] == ours(after)
    assert worker.call("read") == ours(after)
    assert worker.saved() == as_ipvsadm_says(ours(after))
    assert worker.call("converge", services=after)["operations"] == []


@settings(
    max_examples=max(1, EXAMPLES // 4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=tables(),
    after=tables(),
    purge=st.sampled_from(plan.PURGE),
    vips=st.sampled_from([[], ["10.0.0.1"], ["10.0.0.2", "2001:db8:1::1"]]),
)
def test_every_purge(
    worker: Worker, before: list[dict[str, Any]], after: list[dict[str, Any]], purge: str, vips: list[str]
) -> None:
    worker.ipvsadm("-C")
    worker.call("converge", services=before)
    actual = plan.simulate({}, plan.plan({}, options.parse_services(before)))
    expected = plan.simulate(
        actual, plan.plan(actual, options.parse_services(after), purge, options.parse_addresses(vips))
    )
    worker.call("converge", services=after, purge=purge, vips=vips)
    assert worker.call("read") == model.lines(expected)
    assert worker.call("converge", services=after, purge=purge, vips=vips)["operations"] == []


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_every_option_of_a_service(empty: Worker, before: dict[str, Any], after: dict[str, Any]) -> None:
    check_change(empty, [{"udp_service": "10.0.0.1:53", **before}], [{"udp_service": "10.0.0.1:53", **after}])


@pytest.mark.parametrize(("before", "after"), SERVER_CHANGES)
def test_every_option_of_a_real_server(empty: Worker, before: dict[str, Any], after: dict[str, Any]) -> None:
    def service(server: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "tcp_service": "10.0.0.1:53",
                "real_servers": [{"real_server": "10.1.0.1", **server}, {"real_server": "10.1.0.2"}],
            }
        ]

    check_change(empty, service(before), service(after))


def check_change(worker: Worker, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """One operation makes the change, none the next time."""
    for table, count in ((before, None), (before, 0), (after, 1), (after, 0)):
        operations = worker.call("converge", services=table)["operations"]
        assert count is None or len(operations) == count
        assert worker.call("read") == ours(table)
        assert worker.saved() == as_ipvsadm_says(ours(table))


def test_a_thousand_servers_in_one_service(empty: Worker) -> None:
    """The kernel's reply takes several reads."""
    servers = [
        {"real_server": f"10.1.{number // 250}.{number % 250 + 1}", "weight": number % 7} for number in range(1000)
    ]
    table = [{"tcp_service": "10.0.0.1:80", "real_servers": servers}]
    assert len(empty.call("converge", services=table)["operations"]) == 1001
    assert empty.call("read") == ours(table)
    assert empty.call("converge", services=table)["operations"] == []


def test_another_namespace_has_another_table(empty: Worker, folder: str) -> None:
    empty.call("converge", services=[{"tcp_service": "10.0.0.1:80"}])
    other = Worker(folder)
    try:
        assert other.call("read") == []
    finally:
        other.close()


@pytest.mark.parametrize(
    "command",
    [
        "-A -t 10.0.0.1:0 -s rr",
        "-A -t 10.0.0.1:80 -s rr -o",
        "-A -f 0 -s rr",
        "-A -t 10.0.0.1:80 -s rr -p 2678401",
        "-A -t [2001:db8::1]:80 -s rr -p 5 -M 129",
        "-A -t 10.0.0.1:80 -s rr -b sh-port",
        "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -w 2147483648",
        "-a -t 10.0.0.2:80 -r [2001:db8::1]:80 -g",
        "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -g --tun-type gre",
        "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -i --tun-type gue",
        "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -i --tun-type gre --tun-remcsum",
        "-a -t 10.0.0.2:80 -r 10.1.0.1:80 -m -x 5 -y 6",
    ],
)
def test_what_we_refuse_ipvsadm_or_the_kernel_refuse_too(empty: Worker, command: str) -> None:
    """The validation is not stricter than its model: these are the cases of its unit tests."""
    empty.ipvsadm("-A", "-t", "10.0.0.2:80", "-s", "rr")
    assert empty.call("shell", arguments=["ipvsadm", *command.split()])["status"] != 0
