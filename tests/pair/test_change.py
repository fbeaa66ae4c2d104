"""From a pair to a single director, and to a pair again, while a VM holds connections: as docs/director-pair.md says.

Run by `make faults` on a lab with two directors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cases
import holding
import lab_state
import playbook_run
import pytest

# Seconds that no connection may be silent for longer.
SILENCE = 2.0


@pytest.fixture(scope="module", autouse=True)
def _site() -> Iterator[None]:
    with cases.site():
        yield


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inventory that has only the first director."""
    known = lab_state.inventory()
    first = cases.directors()[0]
    hosts = {name: values for name, values in known["_meta"]["hostvars"].items() if name not in cases.directors()}
    hosts[first] = known["_meta"]["hostvars"][first]
    children = {
        group: {"hosts": {name: {} for name in part["hosts"] if name in hosts}}
        for group, part in known.items()
        if part.get("hosts")
    }
    path = tmp_path_factory.mktemp("alone") / "hosts.json"
    path.write_text(json.dumps({"all": {"hosts": hosts, "children": children}}))
    return path


def play(playbook: str, *arguments: str, inventory: Path | str = "inventory/lab") -> None:
    # What a test sets counts, so it comes last.
    done = playbook_run.run(playbook, *cases.VARIABLES, *arguments, inventory=inventory)
    assert done.returncode == 0, done.stdout[-4000:]


def judge(what: str, result: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{what}: {json.dumps(result)}")
    assert result["broken"] == 0
    assert float(str(result["silence_s"])) <= SILENCE


def test_from_a_pair_to_one(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = cases.directors()
    cases.settled()
    with holding.connections(cases.CLIENT) as result:
        if cases.holders() == [second]:
            play("playbooks/failover.yml")
        play("playbooks/teardown.yml", "-l", second, "--tags", "director")
        play(cases.DIRECTOR, inventory=alone)
    judge("from a pair to one", result, capsys)
    assert cases.holders() == [first]
    # The checks of the nodes go on, VRRP does not.
    assert "vrrp_instance" not in lab_state.must(first, "cat /etc/keepalived/keepalived.conf")


def test_from_one_to_a_pair(capsys: pytest.CaptureFixture[str]) -> None:
    first = cases.directors()[0]
    with holding.connections(cases.CLIENT) as result:
        play(cases.DIRECTOR)
    judge("from one to a pair", result, capsys)
    cases.settled()
    assert cases.holders() == [first]


def test_without_checks_as_well(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then keepalived goes altogether."""
    first, second = cases.directors()
    play(cases.DIRECTOR, "-e", "director_health=none")
    with holding.connections(cases.CLIENT) as result:
        play("playbooks/teardown.yml", "-l", second, "--tags", "director")
        play(cases.DIRECTOR, "-e", "director_health=none", inventory=alone)
        assert lab_state.ask(first, "systemctl is-active keepalived").stdout.strip() != "active"
        play(cases.DIRECTOR, "-e", "director_health=none")
    judge("from a pair to one and back, without checks", result, capsys)
    play(cases.DIRECTOR)
    cases.settled()
