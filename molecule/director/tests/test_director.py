"""The kernel's table and the virtual IP, looked at with ipvsadm and ip."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest
from ansible_collections.mesh.expansion.tests.reference import procedure
from testinfra.host import Host

VIP = "192.168.0.62"
CONVERGE = "molecule/director/converge.yml"
Playbook = Callable[..., CompletedProcess[str]]


def changed(done: CompletedProcess[str]) -> int:
    """How many tasks changed the director."""
    assert done.returncode == 0, done.stdout[-4000:]
    (count,) = re.findall(r"^lvs1\s.*changed=(\d+)", done.stdout, re.MULTILINE)
    return int(count)


@pytest.fixture
def foreign_service(director: Host) -> Iterator[str]:
    """A virtual service that somebody else made."""
    address = "192.168.0.61:7777"
    director.check_output(f"ipvsadm -A -t {address} -s rr")
    yield address
    director.check_output(f"ipvsadm -D -t {address}")


def test_table_is_the_procedures(director: Host) -> None:
    assert procedure.comparable_rules(director.check_output("ipvsadm -S -n")) == procedure.rules()


def test_vip_is_held_as_a_host_address(director: Host) -> None:
    assert re.search(rf"inet {VIP}/32 ", director.check_output("ip -4 address show"))


def test_others_learn_the_vip(vm: Host, director: Host) -> None:
    vm.check_output(f"ping -c 1 -W 5 {VIP}")
    hardware = director.check_output("cat /sys/class/net/vec0/address")
    assert f"lladdr {hardware}" in vm.check_output(f"ip neighbour show {VIP}")


@pytest.fixture
def edited(director: Host) -> Iterator[Callable[[str, str], None]]:
    """Write files on the director; afterwards they are as before."""
    kept = []

    def edit(path: str, content: str) -> None:
        kept.append(path)
        director.check_output(
            f"mkdir -p $(dirname {path}) && (cp -a {path} {path}.kept || true) 2>/dev/null && "
            f"printf '%s' '{content}' > {path}"
        )

    yield edit
    for path in kept:
        director.check_output(
            f"rm {path} && (mv {path}.kept {path} || rmdir --ignore-fail-on-non-empty $(dirname {path})) 2>/dev/null"
        )


def refusal(done: CompletedProcess[str]) -> str:
    """What a run that was refused says, without its line breaks; it must not have changed anything."""
    assert done.returncode != 0, done.stdout[-4000:]
    assert re.search(r"^lvs1\s.*changed=0", done.stdout, re.MULTILINE)
    return " ".join(done.stdout.split())


def test_keepalived_on_the_same_address_is_refused(playbook: Playbook, edited: Callable[[str, str], None]) -> None:
    edited("/etc/keepalived/keepalived.conf", f"virtual_server {VIP} 15011 {{\n}}\n")
    assert f"/etc/keepalived/keepalived.conf on lvs1 names {VIP}: two writers of one table" in refusal(
        playbook(CONVERGE)
    )


def test_ipvsadms_own_boot_loader_is_refused_or_taken_over(
    director: Host, playbook: Playbook, edited: Callable[[str, str], None]
) -> None:
    remembered = "/var/lib/mesh-expansion/director/footprint.json"
    edited(remembered, director.file(remembered).content_string)
    edited("/etc/default/ipvsadm", 'AUTO="true"\n')
    assert "/etc/default/ipvsadm on lvs1 says AUTO" in refusal(playbook(CONVERGE))
    takeover = ("-e", "director_ipvsadm_boot=takeover")
    assert changed(playbook(CONVERGE, *takeover)) == 1
    assert director.file("/etc/default/ipvsadm").content_string == 'AUTO="false"\n'
    assert (
        json.loads(director.file(remembered).content_string)["paths"]["/etc/default/ipvsadm"]["text"] == 'AUTO="true"\n'
    )
    assert changed(playbook(CONVERGE, *takeover)) == 0


def test_foreign_services_stay(director: Host, playbook: Playbook, foreign_service: str) -> None:
    assert changed(playbook(CONVERGE)) == 0
    assert f"-A -t {foreign_service} -s rr" in director.check_output("ipvsadm -S -n")


def test_drift_is_seen_in_check_mode_and_repaired(director: Host, playbook: Playbook) -> None:
    director.check_output(f"ipvsadm -d -t {VIP}:15011 -r 192.168.0.72:15011")
    director.check_output(f"ipvsadm -E -t {VIP}:8060 -s rr")
    seen = playbook(CONVERGE, "--check", "--diff")
    assert changed(seen) > 0
    assert "192.168.0.72:15011" in seen.stdout
    assert procedure.comparable_rules(director.check_output("ipvsadm -S -n")) != procedure.rules()
    assert changed(playbook(CONVERGE)) > 0
    assert procedure.comparable_rules(director.check_output("ipvsadm -S -n")) == procedure.rules()
    assert changed(playbook(CONVERGE)) == 0
