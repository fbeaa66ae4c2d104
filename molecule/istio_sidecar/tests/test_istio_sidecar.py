"""The sidecar on the VM, its identity over rotation, and which changes restart it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
from cryptography import x509
from testinfra.host import Host

CONVERGE = "molecule/istio_sidecar/converge.yml"
PACKAGE = "http://192.168.0.1:8000/istio-sidecar.deb"
Playbook = Callable[..., CompletedProcess[str]]


def apply(playbook: Playbook, *arguments: str) -> int:
    """Run the role and return how many tasks changed something."""
    done = playbook(CONVERGE, *arguments)
    assert done.returncode == 0, done.stdout[-5000:]
    (count,) = re.findall(r"^deb-nginx02\s.*changed=(\d+)", done.stdout, re.MULTILINE)
    return int(count)


def started(host: Host, unit: str) -> str:
    return host.check_output(f"systemctl show -p ExecMainStartTimestampMonotonic --value {unit}")


def serial(host: Host) -> int:
    return x509.load_pem_x509_certificates(host.file("/etc/certs/cert-chain.pem").content)[0].serial_number


@pytest.mark.parametrize(
    ("path", "owner", "mode"),
    [
        ("/usr/local/bin/envoy", "root", 0o2755),
        ("/usr/local/bin/pilot-agent", "root", 0o2755),
        ("/var/lib/istio/envoy", "istio-proxy", None),
        ("/var/lib/istio/envoy/cluster.env", "istio-proxy", None),
        ("/etc/certs", "istio-proxy", None),
        ("/etc/certs/key.pem", "istio-proxy", 0o600),
        ("/etc/certs/cert-chain.pem", "istio-proxy", 0o644),
    ],
)
def test_files(spare_vm: Host, path: str, owner: str, mode: int | None) -> None:
    file = spare_vm.file(path)
    assert file.user == owner
    if mode is not None:
        assert file.mode == mode


@pytest.mark.parametrize("unit", ["istio", "istio-auth-node-agent"])
def test_units(spare_vm: Host, unit: str) -> None:
    assert spare_vm.service(unit).is_enabled
    assert spare_vm.service(unit).is_running


def test_envoy_talks_to_pilot(spare_vm: Host) -> None:
    statistics = spare_vm.check_output("curl -sS 'http://127.0.0.1:15000/stats?filter=control_plane.connected_state'")
    assert statistics == "control_plane.connected_state: 1"


def test_host_stays_reachable(spare_vm: Host) -> None:
    """SSH is not captured, and IPv6 rules of the host are not flushed: this connection is the proof of the first."""
    chain = spare_vm.check_output("iptables-save -t nat")
    assert not re.search(r"^-A ISTIO_INBOUND .*--dport 22 .*-j (?!RETURN)", chain, re.MULTILINE)


def test_a_rotated_certificate_stays(spare_vm: Host, playbook: Playbook) -> None:
    """node_agent renews by itself; the role does not put the older one of the Secret back."""
    before = serial(spare_vm)
    spare_vm.check_output("systemctl restart istio-auth-node-agent")
    for _attempt in range(30):
        if serial(spare_vm) != before:
            break
        spare_vm.check_output("sleep 1")
    rotated = serial(spare_vm)
    assert rotated != before, spare_vm.check_output("journalctl -u istio-auth-node-agent -o cat --no-pager | tail -20")
    assert apply(playbook) == 0
    assert serial(spare_vm) == rotated


def test_a_broken_identity_is_replaced(spare_vm: Host, playbook: Playbook) -> None:
    spare_vm.check_output("systemctl stop istio-auth-node-agent && echo broken > /etc/certs/cert-chain.pem")
    assert apply(playbook, "--check") > 0
    assert spare_vm.file("/etc/certs/cert-chain.pem").content_string.strip() == "broken"
    assert apply(playbook) > 0
    assert serial(spare_vm)
    assert spare_vm.service("istio-auth-node-agent").is_running
    assert apply(playbook) == 0


def test_nothing_restarts_without_a_change(spare_vm: Host, playbook: Playbook) -> None:
    before = [started(spare_vm, unit) for unit in ("istio", "istio-auth-node-agent")]
    assert apply(playbook) == 0
    assert [started(spare_vm, unit) for unit in ("istio", "istio-auth-node-agent")] == before


def test_other_inbound_ports_restart_the_sidecar(spare_vm: Host, playbook: Playbook) -> None:
    before = started(spare_vm, "istio")
    services = (
        '{"mesh_vm_services": [{"name": "a", "port": 9080, "protocol": "http"}, {"name": "b", "port": '
        '9443, "protocol": "tcp"}]}'
    )
    assert apply(playbook, "-e", services) > 0
    assert (
        "ISTIO_INBOUND_PORTS=9080,9443" in spare_vm.file("/var/lib/istio/envoy/sidecar.env").content_string.splitlines()
    )
    assert started(spare_vm, "istio") != before
    assert apply(playbook) > 0
    assert "ISTIO_INBOUND_PORTS=9080" in spare_vm.file("/var/lib/istio/envoy/sidecar.env").content_string.splitlines()


def test_a_run_that_was_cut_before_the_restart_is_completed(spare_vm: Host, playbook: Playbook) -> None:
    """The settings are as they should be, but were written after the sidecar's start."""
    before = started(spare_vm, "istio")
    spare_vm.check_output("touch /var/lib/istio/envoy/sidecar.env")
    assert apply(playbook) > 0
    assert started(spare_vm, "istio") != before


def test_a_package_with_another_checksum_is_refused(playbook: Playbook, spare_vm: Host) -> None:
    version = spare_vm.package("istio-sidecar").version
    done = playbook(CONVERGE, "-e", f"mesh_sidecar_checksum=sha256:{'0' * 64}")
    assert done.returncode != 0
    assert "checksum" in done.stdout.lower()
    assert spare_vm.package("istio-sidecar").version == version


def test_a_package_may_be_a_file_of_the_control_node(playbook: Playbook, tmp_path: Path) -> None:
    package = tmp_path / "istio-sidecar.deb"
    run(["curl", "-sSf", "-o", str(package), PACKAGE], check=True, timeout=120)
    checksum = f"sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}"
    assert apply(playbook, "-e", f"mesh_sidecar_package={package}", "-e", f"mesh_sidecar_checksum={checksum}") == 0
