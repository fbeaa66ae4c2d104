"""A run that is cut: the old state comes back by itself within a minute, or the next run completes it.

Killed after three of the plan's operations; after each of them with `make molecule SCENARIOS=dnsmasq FAULTS=all`.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import lab_state
import pytest
from testinfra.host import Host

VIP = "192.168.0.62"
CONVERGE = "molecule/dnsmasq/converge.yml"
FOLDER = "/root/faults"
CUT_RUN = f"python3 {FOLDER}/cut_run.py"
GUARD = "mesh-expansion-guard-dnsmasq"
PLACE = "/var/lib/mesh-expansion/dnsmasq/guard"
BACK_WITHIN = 60.0
# Before the switch of resolv.conf, in the middle of it, after it.
REPRESENTATIVE = ("write /etc/dnsmasq.d/kubedns", "restart dnsmasq.service", "write /etc/resolv.conf")
Playbook = Callable[..., CompletedProcess[str]]


def look(host: Host) -> str:
    """Everything that the role changes, with dates."""
    return host.check_output(
        "for path in /etc/resolv.conf /etc/hosts /etc/dnsmasq.d /etc/dnsmasq.d/* /etc/systemd/system/dnsmasq.service.d"
        " /etc/systemd/system/dnsmasq.service.d/*; do stat -c '%N %a %U:%G' $path; test ! -f $path || stat -c %y $path;"
        " test ! -f $path || cat $path; done 2>&1"
    )


def comes_back(host: Host, before: str) -> bool:
    """Wait for the guard; whether everything was as before in time."""
    end = time.monotonic() + BACK_WITHIN
    while time.monotonic() < end:
        if host.run(f"test -e {PLACE}/done").rc == 0:
            return look(host) == before
        time.sleep(1)
    return False


def resolves(host: Host) -> None:
    assert f"{VIP} " in host.check_output("getent ahostsv4 istio-pilot")
    assert "93.184.216.34 " in host.check_output("getent ahostsv4 www.example.com")


@pytest.fixture(scope="module")
def plan(spare_vm: Host, playbook: Playbook) -> Iterator[list[str]]:
    """The operations of a first run, on a host that has the packages and nothing else of ours;
    joined again at the end."""
    (name,) = lab_state.hosts("vms_spare")
    utils = "ansible_collections/mesh/expansion/plugins/module_utils"
    archive = subprocess.run(
        ["tar", "--create", "--exclude=__pycache__", "-C", str(lab_state.ROOT / "plugins"), "module_utils"]
        + ["-C", str(lab_state.ROOT / "molecule/shared"), "cut_run.py"],
        check=True,
        capture_output=True,
    ).stdout
    unpack = f"mkdir -p {FOLDER}/{utils} && cd {FOLDER} && tar x && rm -rf {utils} && mv module_utils {utils}"
    subprocess.run(["ssh", "-F", str(lab_state.ssh_config()), name, unpack], input=archive, check=True, timeout=60)
    written = playbook("molecule/dnsmasq/options.yml")
    assert written.returncode == 0, written.stdout[-4000:]
    spare_vm.check_output(f"{CUT_RUN} leave {FOLDER}/options.json")
    yield json.loads(spare_vm.check_output(f"{CUT_RUN} list {FOLDER}/options.json"))
    joined = playbook(CONVERGE)
    spare_vm.check_output(f"rm -r {FOLDER}")
    assert joined.returncode == 0, joined.stdout[-4000:]


def kill_after(host: Host, number: int) -> None:
    assert host.run(f"{CUT_RUN} join {FOLDER}/options.json {number}").rc == 9


def chosen(plan: list[str]) -> list[int]:
    if os.environ.get("MESH_EXPANSION_FAULTS") == "all":
        return list(range(1, len(plan) + 1))
    return [plan.index(text) + 1 for text in REPRESENTATIVE]


def test_killed_after_an_operation_the_old_state_comes_back(spare_vm: Host, plan: list[str]) -> None:
    before = look(spare_vm)
    # All of them take the same time to wait for: the short form waits once, for the last.
    numbers = chosen(plan)
    for number in numbers if len(numbers) > len(REPRESENTATIVE) else numbers[-1:]:
        kill_after(spare_vm, number)
        assert comes_back(spare_vm, before), f"after {plan[number - 1]}"
        assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")


def test_killed_after_an_operation_the_next_run_completes_it(
    spare_vm: Host, plan: list[str], playbook: Playbook
) -> None:
    before = look(spare_vm)
    for number in chosen(plan):
        kill_after(spare_vm, number)
        done = playbook(CONVERGE)
        assert done.returncode == 0, f"after {plan[number - 1]}: {done.stdout[-4000:]}"
        resolves(spare_vm)
        assert spare_vm.run(f"test -e {PLACE}").rc != 0
        spare_vm.check_output(f"{CUT_RUN} leave {FOLDER}/options.json")
        assert look(spare_vm) == before, f"after {plan[number - 1]}"


def lets_in(host: Host) -> bool:
    try:
        return host.run("true").rc == 0
    except RuntimeError:  # how testinfra says that ssh could not connect
        return False


def test_a_connection_that_is_cut_in_the_middle(spare_vm: Host, plan: list[str], playbook: Playbook) -> None:
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
    assert comes_back(spare_vm, before)


def test_a_proof_that_comes_too_late_is_told(spare_vm: Host, plan: list[str], playbook: Playbook) -> None:
    """The guard of the last test has done its work, and says so."""
    done = playbook("molecule/dnsmasq/confirm.yml")
    assert done.returncode != 0
    assert "was not confirmed within 45 s" in done.stdout
