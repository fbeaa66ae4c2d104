"""Hosts whose owner has rules of nftables or iptables: preflight names what is missing in them, in commands that work
as they are. All that comes after runs beside these rules."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import lab_state

RULES = Path(__file__).resolve().parents[1] / "rules"
# By group: the rules of its hosts, and what loads them.
OWN = {
    "director": ("director.iptables", "iptables-legacy-restore"),
    "k8s_nodes": ("node.nft", "nft -f -"),
    "vms": ("vm.nft", "nft -f -"),
}
FINDING = re.compile(
    r"^- ([\w-]+): its packet filter \((?:inet filter input|iptables-legacy filter INPUT)\) "
    r"drops (.*)\. Let it through: (.*), and have it"
)


def test_preflight_names_what_is_missing(playbook: Callable[..., CompletedProcess[str]]) -> None:
    for group, (name, load) in OWN.items():
        for host in lab_state.hosts(group):
            lab_state.must(host, load, (RULES / name).read_text())
    done = playbook("playbooks/preflight.yml", "-e", "@molecule/secure/vars/secure.yml")
    assert done.returncode != 0
    # Ansible says them twice.
    lines = dict.fromkeys(line.strip() for line in done.stdout.splitlines())
    found = [match.groups() for match in map(FINDING.match, lines) if match]
    assert [(host, what) for host, what, _command in found] == [
        ("lvs1", "what VMs send to the virtual address, TCP 53, 8060, 9091, 15004, 15005, 15011"),
        ("lvs1", "what VMs send to the virtual address, UDP 53"),
        (
            "deb-nginx01",
            "what pods send to the VM's services, which comes in at the sidecar's port, TCP 9080",
        ),
    ], done.stdout[-4000:]
    assert " 3 findings; nothing has been changed." in " ".join(done.stdout.split())
    for host, _what, command in found:
        lab_state.must(host, command)
