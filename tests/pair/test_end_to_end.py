"""Nodes that are asked for the service itself, at the virtual address: what is taken out by that, and what is not.

Run by `make faults` on a lab with two directors.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import cases
import holding
import lab_state
import playbook_run
import pytest
import trouble
from test_checks import ADDRESSES, LONG, NODES, stays_without_an_api, wait_for, weights

END_TO_END = ("-e", f"@{lab_state.ROOT}/molecule/pair/vars/end_to_end.yml")
VARIABLES = (*cases.VARIABLES, *END_TO_END)


def converge(*arguments: str) -> str:
    done = playbook_run.run(cases.DIRECTOR, *VARIABLES, *arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _site() -> Iterator[None]:
    with cases.site():
        converge()
        yield
        done = playbook_run.run(cases.DIRECTOR, *cases.VARIABLES)
        assert done.returncode == 0, done.stdout[-4000:]
        for name in cases.directors():
            assert lab_state.must(name, "ip netns list").strip() == ""
            assert lab_state.ask(name, "systemctl cat mesh-probe").returncode != 0


def unchanged(said: str) -> bool:
    return said.count(" changed=0 ") == len(cases.directors())


def closed(node: str) -> AbstractContextManager[None]:
    return lab_state.without_port(node, holding.VIP, holding.PORT)


def test_a_second_run_changes_nothing() -> None:
    assert unchanged(converge())
    assert unchanged(converge("--check", "--diff"))


def test_a_node_is_out_within_three_seconds_and_back() -> None:
    wait_for([1, 1, 1])
    with closed(NODES[2]):
        wait_for([1, 1, 0], 4)
        assert lab_state.ask(NODES[0], f"curl -sf http://{ADDRESSES[2]}:10256/healthz").returncode == 0
        assert unchanged(converge())
        assert [weights(name) for name in cases.directors()] == [[1, 1, 0]] * 2
    wait_for([1, 1, 1], 4)


def test_each_question_goes_through_the_node_that_it_is_about() -> None:
    """Also from the director that holds the address."""
    wait_for([1, 1, 1])
    for number, node in enumerate(NODES):
        with closed(node):
            wait_for([int(one != number) for one in range(len(NODES))], 5)
    wait_for([1, 1, 1])


def test_the_last_one_stays_and_all_stay_without_a_pod() -> None:
    with ExitStack() as stack:
        stack.enter_context(closed(NODES[2]))
        wait_for([1, 1, 0])
        stack.enter_context(closed(NODES[1]))
        wait_for([1, 0, 0])
        stack.enter_context(closed(NODES[0]))
        time.sleep(LONG)
        assert [weights(name) for name in cases.directors()] == [[1, 0, 0]] * 2
    wait_for([1, 1, 1])
    holding.stop()
    time.sleep(LONG)
    assert [weights(name) for name in cases.directors()] == [[1, 1, 1]] * 2
    holding.start()
    wait_for([1, 1, 1])


def test_an_api_server_that_is_away_takes_nothing_out() -> None:
    stays_without_an_api(2 * LONG)


def test_after_a_power_cut_a_director_asks_as_before() -> None:
    _holder, other = cases.roles()
    command = [str(lab_state.ROOT / "lab/lab"), "reboot", "--hard", trouble.lab_name(other)]
    subprocess.run(command, check=True, timeout=240, stdin=subprocess.DEVNULL)
    cases.settled()
    with closed(NODES[2]):
        wait_for([1, 1, 0])
    wait_for([1, 1, 1])
    assert unchanged(converge())


def test_a_namespace_that_is_made_anew_changes_no_judgement() -> None:
    director = cases.directors()[0]
    with closed(NODES[2]):
        wait_for([1, 1, 0])
        lab_state.must(director, "systemctl restart mesh-probe")
        for _time in range(10):
            assert weights(director) == [1, 1, 0]
            time.sleep(0.3)
    wait_for([1, 1, 1])


def test_a_namespace_that_is_gone_is_mended_by_the_next_run() -> None:
    director = cases.directors()[0]
    lab_state.must(director, "systemctl stop mesh-probe")
    assert "start mesh-probe.service" in converge("--check", "-v")
    converge()
    assert lab_state.must(director, "systemctl is-active mesh-probe mesh-health").split() == ["active", "active"]
    with closed(NODES[2]):
        wait_for([1, 1, 0])
    wait_for([1, 1, 1])


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.168.0.71", "which is the address of a node"),
        ("192.168.1.51", "is in no subnet of vec0"),
        ("192.168.0.1", "answers for it on vec0"),
    ],
)
def test_an_address_that_is_wrong_or_used_is_refused(address: str, said: str) -> None:
    done = playbook_run.run(cases.DIRECTOR, *VARIABLES, "-e", f"director_health_address={address}")
    assert done.returncode != 0
    assert said in done.stdout
    wait_for([1, 1, 1])
