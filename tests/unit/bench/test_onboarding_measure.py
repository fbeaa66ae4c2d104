"""Figures of the benchmark `onboarding`: what is counted, divided and printed."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.bench import onboarding_measure as measure
from tests.bench.onboarding_measure import FIRST, SCRIPT, SECOND, Measured

TIMELINE = [
    {"time": 10.0, "role": "preflight", "task": "Look"},
    {"time": 20.0, "role": "dnsmasq", "task": "Look"},
    {"time": 30.0, "role": "dnsmasq", "task": "Apply"},
]


def test_an_execution_belongs_to_the_task_that_began_last() -> None:
    times = [9.9, 10.0, 19.99, 20.0, 31.0, 99.0]
    assert measure.by_role(times, TIMELINE) == {"start": 1, "preflight": 2, "dnsmasq": 3}


def test_a_group_shows_its_busiest_host() -> None:
    counts = {"vm1": Counter(dnsmasq=3, sidecar=1), "vm2": Counter(dnsmasq=1, sidecar=4), "lvs": Counter(director=2)}
    found = measure.by_group(counts, {"VM": ["vm1", "vm2"], "director": ["lvs"], "node": ["silent"]})
    assert found["VM"] == {"dnsmasq": 3, "sidecar": 4, "all": 5}
    assert found["director"] == {"director": 2, "all": 2}
    assert found["node"] == {"all": 0}


def test_slope_is_that_of_the_line() -> None:
    assert measure.slope([(4, 30.0), (8, 50.0), (16, 90.0)]) == pytest.approx((5.0, 10.0))


def test_slope_is_the_least_squares_one() -> None:
    assert measure.slope([(1, 1.0), (2, 3.0), (3, 2.0)]) == pytest.approx((0.5, 1.0))


def test_slope_needs_two_numbers() -> None:
    with pytest.raises(ValueError, match="two different numbers of VMs"):
        measure.slope([(4, 30.0), (4, 31.0)])


@pytest.fixture
def measured() -> list[Measured]:
    return [
        Measured(SCRIPT, 8, 40.0, 5.0),
        Measured(FIRST, 8, 20.0, 9.0, {"VM": {"dnsmasq": 7, "all": 12}}),
        Measured(SECOND, 8, 5.0, 4.0, {"VM": {"all": 6}}),
        Measured(FIRST, 4, 12.0, 6.0),
    ]


def test_rows_compare_the_largest_lab_and_tell_the_growth(measured: list[Measured]) -> None:
    found = {(row["case"], row["peer"]): row for row in measure.rows(measured)}
    first = found["8 VMs: site.yml, new VMs", SCRIPT]
    assert (first["ours_s"], first["peer_s"], first["ratio"]) == (20.0, 40.0, 0.5)
    assert first["executions"]["VM"]["all"] == 12
    assert found["8 VMs: site.yml, nothing to do", FIRST]["ratio"] == 0.25
    (growth,) = [row for case, row in found.items() if case[0].startswith("growth")]
    assert (growth["ours_s"], growth["peer_s"], growth["points"]) == (2.0, 4.0, [(4, 12.0), (8, 20.0)])


def test_table_tells_ratio_executions_and_growth(measured: list[Measured]) -> None:
    text = measure.table(measured)
    assert "Joining 8 VMs" in text
    (line,) = [line for line in text.splitlines() if line.startswith(FIRST)]
    assert line.split()[-8:] == ["20.0", "s", "2.50", "s", "0.50x", "9.0", "s", "12"]
    assert "each VM adds 2.00 s to 4 s" in text
    assert "all 12  dnsmasq 7" in text
