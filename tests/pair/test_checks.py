"""Checks of the nodes that fail: one after the other, all at once, and an API server that is away.

Run by `make faults` on a lab with two directors.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import cases
import holding
import lab_state
import pytest

from lab import proc

NODES = lab_state.hosts("k8s_nodes")
ADDRESSES = [lab_state.addresses()[name] for name in NODES]
# More than three rounds of a check that gets no answer.
LONG = 10


@pytest.fixture(scope="module", autouse=True)
def _site() -> Iterator[None]:
    with cases.site():
        yield


def weights(director: str, service: str = f"-t {holding.VIP}:{holding.PORT}") -> list[int]:
    """Of the nodes in a service, in the inventory's order."""
    lines = lab_state.must(director, "ipvsadm -S -n")
    found = dict(re.findall(rf"-a {service} -r ([\d.]+):\d+ -g -w (\d+)", lines))
    return [int(found.get(address, -1)) for address in ADDRESSES]


def wait_for(wanted: list[int], seconds: float = 30, service: str = f"-t {holding.VIP}:{holding.PORT}") -> None:
    deadline = time.monotonic() + seconds
    while any(weights(name, service) != wanted for name in cases.directors()):
        assert time.monotonic() < deadline, {name: weights(name, service) for name in cases.directors()}
        time.sleep(0.2)


def test_nodes_that_fail_one_after_the_other_leave_the_last_one() -> None:
    wait_for([1, 1, 1])
    with lab_state.without_proxy(NODES[2]):
        wait_for([1, 1, 0])
        with lab_state.without_proxy(NODES[1]):
            wait_for([1, 0, 0])
            with lab_state.without_proxy(NODES[0]):
                time.sleep(LONG)
                assert [weights(name) for name in cases.directors()] == [[1, 0, 0]] * 2
            assert [weights(name) for name in cases.directors()] == [[1, 0, 0]] * 2
    wait_for([1, 1, 1])


def test_a_check_that_all_fail_at_once_takes_none_out() -> None:
    wait_for([1, 1, 1])
    # As a packet filter would; the lab's directors have none.
    rule = "ip rule {0} prio 10 ipproto tcp dport 10256 prohibit"
    with ExitStack() as stack:
        for name in cases.directors():
            lab_state.must(name, rule.format("add"))
            stack.callback(lab_state.must, name, rule.format("delete"))
        time.sleep(LONG)
        assert [weights(name) for name in cases.directors()] == [[1, 1, 1]] * 2
        journal = lab_state.must(cases.directors()[0], "journalctl -u mesh-health -n 50 -o cat")
        assert f"{ADDRESSES[0]} stays: no answer, but fewer than 1 do" in journal
    wait_for([1, 1, 1])


def test_an_api_server_that_is_away_takes_nothing_out() -> None:
    stays_without_an_api(3 * LONG)


def stays_without_an_api(seconds: float) -> None:
    wait_for([1, 1, 1])
    pid = proc.pid_of("kube-apiserver")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
        assert [weights(name) for name in cases.directors()] == [[1, 1, 1]] * 2
    finally:
        os.kill(pid, signal.SIGCONT)


def test_whoever_asks_the_nodes_may_die() -> None:
    """What was judged stays, and it goes on when it has started again."""
    director = cases.directors()[0]
    with lab_state.without_proxy(NODES[2]):
        wait_for([1, 1, 0])
        lab_state.must(director, "systemctl kill -s KILL mesh-health")
        time.sleep(LONG)
        assert weights(director) == [1, 1, 0]
        assert lab_state.must(director, "systemctl is-active mesh-health").strip() == "active"
    wait_for([1, 1, 1])
