"""After a reboot the director comes back by itself: modules, table, then the virtual IP.
No playbook runs in between."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable

import lab_state
import pytest
from ansible_collections.mesh.expansion.tests.reference import procedure
from testinfra.host import Host

VIP = "192.168.0.62"


@pytest.fixture(scope="module")
def rebooted(director: Host, connect: Callable[[str], Host]) -> Host:
    before = director.check_output("cat /proc/sys/kernel/random/boot_id")
    subprocess.run(
        [lab_state.ROOT / "lab/lab", "reboot", "director"], check=True, timeout=180, stdin=subprocess.DEVNULL
    )
    # The old connection is shared by all commands and ended with the old kernel.
    subprocess.run(
        ["ssh", "-F", lab_state.ssh_config(), "-O", "exit", "lvs1"], check=False, capture_output=True, timeout=10
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        answer = connect("lvs1").run("cat /proc/sys/kernel/random/boot_id && systemctl is-system-running --wait")
        if answer.rc in (0, 1) and answer.stdout and not answer.stdout.startswith(before):
            return connect("lvs1")
        time.sleep(2)
    pytest.fail("the director did not come back within 120 s")


def test_table_is_back(rebooted: Host) -> None:
    assert procedure.comparable_rules(rebooted.check_output("ipvsadm -S -n")) == procedure.rules()


def test_vip_is_back(rebooted: Host) -> None:
    assert re.search(rf"inet {VIP}/32 ", rebooted.check_output("ip -4 address show"))


def test_vip_answers_from_elsewhere(rebooted: Host, vm: Host) -> None:
    vm.check_output(f"ping -c 1 -W 5 {VIP}")


def test_kernel_settings_are_back(rebooted: Host) -> None:
    assert rebooted.sysctl("net.ipv4.vs.expire_nodest_conn") == 1
