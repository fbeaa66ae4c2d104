"""Two directors: one holds the address, the other takes over; checks and drained nodes in the tables of both.
The faults are the short form of `make faults`."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import holding
import lab_state
import playbook_run
import pytest
import trouble

VIP = holding.VIP
VARIABLES = ("-e", f"@{lab_state.ROOT}/molecule/pair/vars/pair.yml")
CONVERGE = "molecule/director/converge.yml"
CHECKED, CHECKED_ADDRESS = "k8s-node3", "192.168.0.73"
DIRECTORS = lab_state.hosts("director")


def run(*arguments: str) -> CompletedProcess[str]:
    done = playbook_run.run(*arguments, *VARIABLES)
    assert done.returncode == 0, done.stdout[-4000:]
    return done


def changed(done: CompletedProcess[str]) -> dict[str, int]:
    """By host, how many tasks changed it."""
    return {host: int(count) for host, count in re.findall(r"^(lvs\d)\s.*changed=(\d+)", done.stdout, re.MULTILINE)}


def holders() -> list[str]:
    return [name for name in DIRECTORS if f" {VIP}/32 " in lab_state.must(name, "ip -4 -o address show")]


def wait_for(what: str, true: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not after {seconds} s"
        time.sleep(0.2)


def weights(name: str) -> dict[str, int]:
    """Of each node on a director."""
    lines = lab_state.must(name, "ipvsadm -S -n").splitlines()
    found = [re.search(r"-a -t \S+:7000 -r ([\d.]+):7000 -g -w (\d+)", line) for line in lines]
    return {match[1]: int(match[2]) for match in found if match}


def table_or_nothing(name: str) -> str:
    """Of a director that may be starting."""
    return lab_state.ask(name, "ipvsadm -S -n").stdout


@pytest.fixture(scope="module", autouse=True)
def _echo() -> Iterator[None]:
    holding.stop()
    holding.start()
    yield
    holding.stop()


def test_one_director_holds_the_address_and_answers_for_it() -> None:
    (holder,) = holders()
    hardware = lab_state.must(holder, "cat /sys/class/net/vec0/address").strip()
    answers = lab_state.ask("deb-nginx01", f"arping -c 3 -I eth0 {VIP}").stdout
    assert set(re.findall(r"\[([0-9A-Fa-f:]{17})\]", answers)) in ({hardware}, {hardware.upper()})


def test_tables_and_synchronisation() -> None:
    (holder,) = holders()
    tables = {lab_state.must(name, "ipvsadm -S -n") for name in DIRECTORS}
    assert len(tables) == 1
    assert f"-A -t {VIP}:7000 -s wrr" in tables.pop()
    for name in DIRECTORS:
        role = "master" if name == holder else "backup"
        assert lab_state.must(name, "ipvsadm -L --daemon").startswith(f"{role} sync daemon (mcast=vec0, syncid=62,")


@pytest.mark.parametrize("name", DIRECTORS)
def test_drift_is_seen_and_repaired(name: str) -> None:
    lab_state.must(name, f"ipvsadm -d -t {VIP}:7000 -r 192.168.0.72:7000")
    assert changed(run(CONVERGE, "--check")) == {one: int(one == name) for one in DIRECTORS}
    assert changed(run(CONVERGE)) == {one: int(one == name) for one in DIRECTORS}
    assert weights(name) == dict.fromkeys(weights(name), 1)
    assert len(weights(name)) == 3


def test_a_dead_node_is_out_and_no_run_puts_it_back() -> None:
    with lab_state.without_proxy(CHECKED):
        for name in DIRECTORS:
            wait_for("weight 0", lambda name=name: weights(name)[CHECKED_ADDRESS] == 0, 15)  # type: ignore[misc]
        assert changed(run(CONVERGE)) == dict.fromkeys(DIRECTORS, 0)
        assert [weights(name)[CHECKED_ADDRESS] for name in DIRECTORS] == [0, 0]
    for name in DIRECTORS:
        wait_for("weight 1", lambda name=name: weights(name)[CHECKED_ADDRESS] == 1, 15)  # type: ignore[misc]


def test_a_drained_node_stays_out() -> None:
    """Whatever keepalived does: a reload, a check that fails and succeeds, a failover."""
    run("playbooks/drain.yml", "-e", f"node={CHECKED}", "-e", "director_drain_timeout=1")
    assert [weights(name)[CHECKED_ADDRESS] for name in DIRECTORS] == [0, 0]
    for name in DIRECTORS:
        lab_state.must(name, "systemctl reload keepalived")
    with lab_state.without_proxy(CHECKED):
        time.sleep(4)
    time.sleep(3)
    run("playbooks/failover.yml")
    assert [weights(name)[CHECKED_ADDRESS] for name in DIRECTORS] == [0, 0]
    assert changed(run(CONVERGE)) == dict.fromkeys(DIRECTORS, 0)
    run("playbooks/undrain.yml", "-e", f"node={CHECKED}")
    assert [weights(name)[CHECKED_ADDRESS] for name in DIRECTORS] == [1, 1]
    assert changed(run(CONVERGE)) == dict.fromkeys(DIRECTORS, 0)


def report(capsys: pytest.CaptureFixture[str], what: str, result: dict[str, object]) -> None:
    with capsys.disabled():
        print(f"\n{what}: {json.dumps(result)}")


def test_a_planned_failover_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    (before,) = holders()
    with holding.connections("deb-nginx01") as result:
        run("playbooks/failover.yml")
    report(capsys, "planned failover", result)
    (after,) = holders()
    assert after != before
    assert result["broken"] == 0


def test_a_power_cut_of_the_holder_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    (before,) = holders()
    with holding.connections("deb-nginx01") as result:
        command = [str(lab_state.ROOT / "lab/lab"), "reboot", "--hard", trouble.lab_name(before)]
        subprocess.run(command, check=True, timeout=180, stdin=subprocess.DEVNULL)
    report(capsys, "power cut of the holder", result)
    assert result["broken"] == 0
    wait_for(
        "both are ready", lambda: len({lab_state.ask(name, "ipvsadm -S -n").stdout for name in DIRECTORS}) == 1, 60
    )
    (after,) = holders()
    assert after != before


# At last: what takes the scenario away meets a director with all of it.
def test_a_node_that_forwards_nothing_is_out_though_its_kube_proxy_is_well() -> None:
    end_to_end = ("-e", f"@{lab_state.ROOT}/molecule/pair/vars/end_to_end.yml")
    run(CONVERGE, *end_to_end)
    assert [weights(name)[CHECKED_ADDRESS] for name in DIRECTORS] == [1, 1]
    with lab_state.without_port(CHECKED, VIP, 7000):
        for name in DIRECTORS:
            wait_for("weight 0", lambda name=name: weights(name)[CHECKED_ADDRESS] == 0, 15)  # type: ignore[misc]
        assert changed(run(CONVERGE, *end_to_end, "--check")) == dict.fromkeys(DIRECTORS, 0)
    for name in DIRECTORS:
        wait_for("weight 1", lambda name=name: weights(name)[CHECKED_ADDRESS] == 1, 15)  # type: ignore[misc]
