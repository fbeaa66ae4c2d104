"""Hosts and objects come out as with the release; what the release joined, this checkout takes over and takes out.

Run by `make upgrade` on a new lab. The tests build on each other in this order; a step that fails is an error of all
later ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import lab_state
import pytest

from tests.upgrade import footprint, playbooks
from tests.upgrade.footprint import Json

NAME = "upgrade"
UNITS = ("dnsmasq", "istio", "istio-auth-node-agent")


@dataclass(frozen=True)
class Step:
    """What a playbook printed, and how hosts and API differ afterwards from before the first join."""

    output: str
    found: Json


def starts() -> dict[str, str]:
    """When each unit on a VM was started. The director's is restarted for its new programs, and drops nothing."""
    found = {}
    for name in lab_state.hosts("vms"):
        for unit in UNITS:
            command = f"systemctl show -p ExecMainStartTimestampMonotonic --value {unit}"
            found[f"{name} {unit}"] = lab_state.must(name, command).strip()
    return found


@pytest.fixture(scope="module")
def before() -> Json:
    # Refuses hosts that are not new.
    lab_state.take(NAME)
    return footprint.current()


@pytest.fixture(scope="module")
def by_release(before: Json) -> Step:
    output = playbooks.release_site()
    return Step(output, footprint.difference(before, footprint.current()))


@pytest.fixture(scope="module")
def started(by_release: Step) -> dict[str, str]:
    return starts()


@pytest.fixture(scope="module")
def taken_over(before: Json, started: dict[str, str]) -> Step:
    output = playbooks.site("take-over")
    return Step(output, footprint.difference(before, footprint.current()))


@pytest.fixture(scope="module")
def again(before: Json, taken_over: Step) -> Step:
    output = playbooks.site("again")
    return Step(output, footprint.difference(before, footprint.current()))


@pytest.fixture(scope="module")
def left(before: Json, again: Step) -> Step:
    output = playbooks.leave_and_teardown("leave")
    return Step(output, footprint.difference(before, footprint.current()))


@pytest.fixture(scope="module")
def by_checkout(before: Json, left: Step) -> Step:
    output = playbooks.site("new")
    return Step(output, footprint.difference(before, footprint.current()))


def same(differences: list[str]) -> None:
    """All of them are shown when there are any."""
    assert not differences, "\n".join(["", *differences])


def test_the_record_is_what_the_release_does(by_release: Step) -> None:
    """Else the lab has changed since it was recorded: record again (README.md)."""
    same(footprint.deviations(footprint.recorded(), by_release.found))


def test_a_host_joined_by_the_release_keeps_its_files(taken_over: Step) -> None:
    same(footprint.deviations(footprint.recorded(), taken_over.found))


def test_taking_over_restarts_nothing(started: dict[str, str], taken_over: Step) -> None:
    assert all(int(value) > 0 for value in started.values())
    assert starts() == started


def test_after_taking_over_there_is_nothing_to_do(again: Step) -> None:
    counts = playbooks.changed(again.output)
    assert set(lab_state.hosts("vms") + lab_state.hosts("director")) <= set(counts)
    assert {host: count for host, count in counts.items() if count} == {}


def test_hosts_that_the_release_joined_are_as_before(left: Step) -> None:
    same(lab_state.differences(NAME))
    same(footprint.deviations({name: {} for name in left.found}, left.found))


def test_a_new_host_is_as_the_release_makes_it(by_checkout: Step) -> None:
    same(footprint.deviations(footprint.recorded(), by_checkout.found))
