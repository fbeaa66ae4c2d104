"""Names on the VM: the mesh's, the cluster's and all others; and a run that fails leaves the resolver as it was."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest
from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
CONVERGE = "molecule/dnsmasq/converge.yml"
RECORD = "/var/lib/mesh-expansion/dnsmasq"
Playbook = Callable[..., CompletedProcess[str]]


def resolver_files(host: Host) -> str:
    """What decides how the host resolves."""
    return host.check_output(
        "ls -l /etc/resolv.conf; cat /etc/resolv.conf /etc/hosts /etc/dnsmasq.d/*; systemctl is-active dnsmasq || true"
    )


@pytest.mark.parametrize(
    "name", ["istio-pilot", "istio-pilot.istio-system", "istio-citadel.istio-system", "istio-policy", "istio-ca"]
)
def test_mesh_names_answer_the_vip(spare_vm: Host, name: str) -> None:
    assert f"{VIP} " in spare_vm.check_output(f"getent ahostsv4 {name}")


def test_cluster_names_answer_cluster_addresses(spare_vm: Host, core: client.CoreV1Api) -> None:
    address = core.read_namespaced_service("istio-pilot", "istio-system").spec.cluster_ip
    assert spare_vm.check_output("host -t A istio-pilot.istio-system.svc.cluster.local.").endswith(
        f"has address {address}"
    )


def test_other_names_answer_as_before(spare_vm: Host) -> None:
    assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")
    assert spare_vm.run("getent ahostsv4 no-such-name.example.com").rc != 0


def test_answers_that_are_too_long_for_udp(spare_vm: Host) -> None:
    assert len(spare_vm.check_output("host -t A large.example.com.").splitlines()) == 60


def test_own_name_is_the_own_address(spare_vm: Host) -> None:
    assert spare_vm.check_output("hostname --ip-address").split() == ["192.168.0.82"]


def test_nobody_else_can_ask(spare_vm: Host, vm: Host) -> None:
    """dnsmasq listens on the loopback address only."""
    listening = spare_vm.check_output("ss -H -lun sport = :53; ss -H -ltn sport = :53")
    assert "127.0.0.1:53" in listening
    assert "0.0.0.0:53" not in listening


def test_a_resolver_that_does_not_answer_is_not_switched_to(spare_vm: Host, playbook: Playbook) -> None:
    before = resolver_files(spare_vm)
    # Nobody has this address, so no cluster name can be answered through it.
    done = playbook(CONVERGE, "-e", "mesh_vip=192.168.0.99")
    assert done.returncode != 0
    assert "192.168.0.99" in done.stdout
    assert resolver_files(spare_vm) == before
    assert "93.184.216.34 " in spare_vm.check_output("getent ahostsv4 www.example.com")
    assert f"{VIP} " in spare_vm.check_output("getent ahostsv4 istio-pilot")


def test_nothing_to_do_leaves_the_host_alone(spare_vm: Host, playbook: Playbook) -> None:
    state = (
        "systemctl show --timestamp=us+utc -p ActiveEnterTimestamp dnsmasq; "
        "stat -c '%y %n' /etc/hosts /etc/resolv.conf /etc/dnsmasq.d/*"
    )
    before = spare_vm.check_output(state)
    done = playbook(CONVERGE)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "changed=0" in done.stdout
    assert "Set up dnsmasq" not in done.stdout
    assert spare_vm.check_output(state) == before
    assert spare_vm.check_output(f"ls -A {RECORD}") == "footprint.json"


# What release 1.0 wrote, made from the footprint.
AS_RELEASE_1_0 = f"""
import json, os
os.chdir("{RECORD}")
kept = json.load(open("footprint.json"))
there = [path for path, state in kept["paths"].items() if state["kind"] != "absent"]
unit = kept["units"]["dnsmasq.service"]
record = dict(paths=there, account=kept["accounts"]["dnsmasq"], packages=kept["packages"], **unit)
json.dump(record, open("original.json", "w"))
for name in ("resolv.conf", "hosts"):
    open(name, "w").write(kept["paths"]["/etc/" + name]["text"])
open("resolv.conf.text", "w").write(kept["more"]["resolv_conf_text"])
open("hosts.written", "w").write(kept["more"]["hosts_written"])
os.mkdir("previous")
os.remove("footprint.json")
"""


def test_the_record_of_release_1_0_is_taken_over(spare_vm: Host, playbook: Playbook) -> None:
    """The removal at the end of the scenario goes by it."""
    before = resolver_files(spare_vm)
    started = spare_vm.check_output("systemctl show -p ActiveEnterTimestampMonotonic dnsmasq")
    spare_vm.check_output("python3 -c %s", AS_RELEASE_1_0)
    done = playbook(CONVERGE)
    assert done.returncode == 0, done.stdout[-4000:]
    assert resolver_files(spare_vm) == before
    assert spare_vm.check_output("systemctl show -p ActiveEnterTimestampMonotonic dnsmasq") == started
    assert spare_vm.check_output(f"ls -A {RECORD}") == "footprint.json"
    assert "changed=0" in playbook(CONVERGE).stdout


def test_drift_is_repaired(spare_vm: Host, playbook: Playbook) -> None:
    before = resolver_files(spare_vm)
    spare_vm.check_output("sed -i /istio-ca/d /etc/dnsmasq.d/kubedns && systemctl restart dnsmasq")
    assert playbook(CONVERGE).returncode == 0
    assert resolver_files(spare_vm) == before
    assert f"{VIP} " in spare_vm.check_output("getent ahostsv4 istio-ca")


def test_a_run_that_was_cut_before_the_restart_is_completed(spare_vm: Host, playbook: Playbook) -> None:
    """The files are as they should be, but dnsmasq has not read them."""
    file = "/etc/dnsmasq.d/kubedns"
    spare_vm.check_output(
        f"cp {file} /root/kubedns && sed -i /istio-ca/d {file} && systemctl restart dnsmasq && mv "
        f"/root/kubedns {file} && touch {file}"
    )
    assert playbook(CONVERGE).returncode == 0
    assert f"{VIP} " in spare_vm.check_output("getent ahostsv4 istio-ca")
