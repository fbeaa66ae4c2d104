"""Three VMs, of which one cannot be joined at first: it fails alone, and the command that the run names joins it
without touching another host. Then one host after the other is rebooted.

Run by `make faults` on a new lab. The tests build on each other in this order.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lab_state
import playbook_run
import pytest
import trouble
import verified

FAILING = "deb-nginx03"
OTHERS = ("deb-nginx01", "deb-nginx02")
NAME = "faults"
Json = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run of site.yml, with the rows that it verified, and how everything was before and after."""

    done: CompletedProcess[str]
    report: Path
    before: Json
    after: Json


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All three are new, and one of them has no room for a package."""
    # Refuses hosts that are not new.
    lab_state.take(NAME)
    before, report = lab_state.current(), tmp_path_factory.mktemp("first") / "rows.json"
    with trouble.full_disk(FAILING):
        done = playbook_run.run("site.yml", "-e", f"verify_report={report}")
    return Run(done, report, before, lab_state.current())


@pytest.fixture(scope="module")
def second(first: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the first run said is to be run next."""
    said = playbook_run.summary(first.done.stdout)
    commands = re.findall(r"ansible-playbook (mesh\.expansion\.site -l [\w.,-]+)", said)
    assert set(commands) == {f"mesh.expansion.site -l {FAILING}"}, first.done.stdout[-4000:]
    report = tmp_path_factory.mktemp("second") / "rows.json"
    done = playbook_run.run(*commands[0].split(), "-e", f"verify_report={report}")
    return Run(done, report, first.after, lab_state.current())


def kept(state: Json) -> Json:
    """A host's state without what its programs write as they run."""
    return state | {"files": {path: what for path, what in state["files"].items() if not path.startswith("/var/log/")}}


def test_one_vm_fails_alone(first: Run) -> None:
    assert first.done.returncode != 0
    failed = {host for host, count in playbook_run.failures(first.done.stdout).items() if count}
    assert failed == {FAILING}, first.done.stdout[-6000:]


def test_the_others_are_joined(first: Run) -> None:
    verified.require(first.report)
    assert {row["host"] for row in json.loads(first.report.read_text())} >= set(OTHERS)
    assert {f"Endpoints default/{name}" for name in OTHERS} <= set(first.after["API"])


def test_the_one_that_failed_is_as_before_and_not_registered(first: Run) -> None:
    assert kept(first.after[FAILING]) == kept(first.before[FAILING])
    assert f"Endpoints default/{FAILING}" not in first.after["API"]
    assert FAILING not in {row["host"] for row in json.loads(first.report.read_text())}


def test_the_end_says_why(first: Run) -> None:
    said = playbook_run.summary(first.done.stdout)
    assert f"- {FAILING}: role dnsmasq: Install the packages without starting dnsmasq: " in said
    assert trouble.ARCHIVES in said


def test_the_command_that_it_names_joins_it(second: Run) -> None:
    assert second.done.returncode == 0, second.done.stdout[-6000:]
    # The director is not looked at.
    verified.require(second.report, without={"R5"})


def test_it_touches_no_other_host(second: Run) -> None:
    assert playbook_run.failures(second.done.stdout) == {FAILING: 0}
    for name in sorted(set(second.before) - {FAILING, "API"}):
        assert kept(second.after[name]) == kept(second.before[name]), name


def test_it_changes_no_other_object(second: Run) -> None:
    before, after = second.before["API"], second.after["API"]
    assert {name: value for name, value in after.items() if name in before} == before
    assert set(after) - set(before) == {f"{kind} default/{FAILING}" for kind in ("Service", "Endpoints")}


@pytest.mark.parametrize("name", ["deb-nginx01", "k8s-node2", "lvs1"])
def test_all_rows_hold_after_a_reboot(second: Run, name: str, tmp_path: Path) -> None:
    trouble.reboot(name)
    verified.all_rows(tmp_path / "rows.json")
