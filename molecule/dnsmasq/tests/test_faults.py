"""A run that is cut: the old state comes back by itself within a minute, or the next run completes it.

Killed after one of the plan's operations; after each of them with `make molecule SCENARIOS=dnsmasq FAULTS=all`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from subprocess import CompletedProcess

import faults
import pytest
from faults import CutRuns
from testinfra.host import Host

VIP = "192.168.0.62"
CONVERGE = "molecule/dnsmasq/converge.yml"
GUARD = "mesh-expansion-guard-dnsmasq"
IN_THE_MIDDLE, AT_THE_END = "restart dnsmasq.service", "write /etc/resolv.conf"
Playbook = Callable[..., CompletedProcess[str]]


def look(host: Host) -> str:
    """Everything that the role changes, with dates."""
    return host.check_output(
        "for path in /etc/resolv.conf /etc/hosts /etc/dnsmasq.d /etc/dnsmasq.d/* /etc/systemd/system/dnsmasq.service.d"
        " /etc/systemd/system/dnsmasq.service.d/*; do stat -c '%N %a %U:%G' $path; test ! -f $path || stat -c %y $path;"
        " test ! -f $path || cat $path; done 2>&1"
    )


def resolves(host: Host) -> None:
    assert f"{VIP} " in host.check_output("getent ahostsv4 istio-pilot")
    assert "93.184.216.34 " in host.check_output("getent ahostsv4 www.example.com")


@pytest.fixture(scope="module", autouse=True)
def left(runs: CutRuns) -> None:
    """The host has the packages and nothing else of ours: each run is a first one."""
    assert runs.run("leave").rc == 0


def test_killed_after_an_operation_the_old_state_comes_back(spare_vm: Host, runs: CutRuns, plan: list[str]) -> None:
    before = look(spare_vm)
    for number in faults.chosen(plan, AT_THE_END):
        runs.kill_after(number)
        assert runs.comes_back(lambda: look(spare_vm) == before), f"after {plan[number - 1]}"
        assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")


def test_killed_after_an_operation_the_next_run_completes_it(spare_vm: Host, runs: CutRuns, plan: list[str]) -> None:
    before = look(spare_vm)
    for number in faults.chosen(plan, IN_THE_MIDDLE):
        runs.kill_after(number)
        runs.converge()
        resolves(spare_vm)
        assert spare_vm.run(f"test -e {runs.guard}").rc != 0
        assert runs.run("leave").rc == 0
        assert look(spare_vm) == before, f"after {plan[number - 1]}"


def lets_in(host: Host) -> bool:
    try:
        return host.run("true").rc == 0
    except RuntimeError:  # how testinfra says that ssh could not connect
        return False


def test_a_connection_that_is_cut_in_the_middle(spare_vm: Host, runs: CutRuns, playbook: Playbook) -> None:
    """The host lets nobody in from the moment at which the guard stands, for 20 seconds."""
    before = look(spare_vm)
    rule = "-p tcp --dport 22 -j REJECT --reject-with tcp-reset"
    wait = f"until systemctl -q is-active {GUARD}.timer; do sleep 0.05; done"
    spare_vm.check_output(
        f"systemd-run --quiet --collect --unit=mesh-test-cut /bin/sh -c '{wait}; iptables -I INPUT {rule}; sleep 20; "
        f"iptables -D INPUT {rule}'"
    )
    cut = playbook(CONVERGE)
    assert cut.returncode != 0, cut.stdout[-4000:]
    assert "unreachable=1" in cut.stdout, cut.stdout[-4000:]
    end = time.monotonic() + 40
    while not lets_in(spare_vm) and time.monotonic() < end:
        time.sleep(1)
    assert runs.comes_back(lambda: look(spare_vm) == before)


def test_a_proof_that_comes_too_late_is_told(runs: CutRuns, playbook: Playbook) -> None:
    """The guard of the last test has done its work, and says so."""
    done = playbook("molecule/dnsmasq/confirm.yml")
    assert done.returncode != 0
    assert "was not confirmed within 45 s" in done.stdout
