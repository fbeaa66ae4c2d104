"""After a reboot the director comes back by itself: modules, table, then the virtual IP.
No playbook runs in between."""

from __future__ import annotations

import re

import lab_state
import pytest
import trouble
from ansible_collections.mesh.expansion.tests.reference import procedure
from testinfra.host import Host

VIP = "192.168.0.62"


@pytest.fixture(scope="module")
def rebooted(director: Host) -> Host:
    trouble.reboot(lab_state.hosts("director")[0])
    return director


def test_table_is_back(rebooted: Host) -> None:
    assert procedure.comparable_rules(rebooted.check_output("ipvsadm -S -n")) == procedure.rules()


def test_vip_is_back(rebooted: Host) -> None:
    assert re.search(rf"inet {VIP}/32 ", rebooted.check_output("ip -4 address show"))


def test_vip_answers_from_elsewhere(rebooted: Host, vm: Host) -> None:
    vm.check_output(f"ping -c 1 -W 5 {VIP}")


def test_kernel_settings_are_back(rebooted: Host) -> None:
    assert rebooted.sysctl("net.ipv4.vs.expire_nodest_conn") == 1
