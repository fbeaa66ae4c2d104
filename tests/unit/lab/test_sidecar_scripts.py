"""The sidecar's shell scripts, run with recording commands in place of iptables and su."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

BIN = Path(__file__).resolve().parents[3] / "lab/sidecar/root/usr/local/bin"

RECORDER = """#!/bin/bash
echo "{name} $*" >> "$CALLS"
"""
# -C says that no rule is left, -L that there is no chain: a clean table.
IPTABLES = RECORDER + 'for word; do case "$word" in -C|-L) exit 1;; esac; done\n'
RESTORE = RECORDER + 'cat >> "$CALLS"\n'
ID = '#!/bin/bash\nif [ "$1" = -u ]; then echo 998; else echo 997; fi\n'


class Machine:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.tools = directory / "tools"
        self.tools.mkdir()
        for name, text in (("iptables", IPTABLES), ("iptables-restore", RESTORE), ("su", RECORDER), ("id", ID)):
            self.tool(name, text.format(name=name) if "{name}" in text else text)

    def tool(self, name: str, text: str) -> None:
        path = self.tools / name
        path.write_text(text)
        path.chmod(0o755)

    def settings(self, *, sidecar: str = "", cluster: str = "") -> None:
        (self.directory / "sidecar.env").write_text(sidecar)
        (self.directory / "cluster.env").write_text(cluster)

    def run(self, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        environment = {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "ISTIO_SIDECAR_CONFIG": str(self.directory / "sidecar.env"),
            "ISTIO_CLUSTER_CONFIG": str(self.directory / "cluster.env"),
            **env,
        }
        command = ["bash", str(BIN / script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)

    def rules(self) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.startswith(("-A", ":"))]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_procedures_rules(machine: Machine) -> None:
    machine.settings(sidecar="ISTIO_INBOUND_PORTS=9080\n", cluster="ISTIO_SERVICE_CIDR=10.233.0.0/16\n")
    assert machine.run("istio-iptables.sh").returncode == 0
    assert machine.rules() == [
        ":ISTIO_REDIRECT - [0:0]",
        ":ISTIO_OUTPUT - [0:0]",
        "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001",
        ":ISTIO_INBOUND - [0:0]",
        "-A PREROUTING -p tcp -j ISTIO_INBOUND",
        "-A ISTIO_INBOUND -p tcp --dport 9080 -j ISTIO_REDIRECT",
        "-A OUTPUT -p tcp -j ISTIO_OUTPUT",
        "-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -j ISTIO_REDIRECT",
        "-A ISTIO_OUTPUT -m owner --uid-owner 998 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --uid-owner 0 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --gid-owner 997 -j RETURN",
        "-A ISTIO_OUTPUT -m owner --gid-owner 0 -j RETURN",
        "-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN",
        "-A ISTIO_OUTPUT -d 10.233.0.0/16 -j ISTIO_REDIRECT",
        "-A ISTIO_OUTPUT -j RETURN",
    ]


def test_all_inbound_ports_but_ssh_and_the_excluded(machine: Machine) -> None:
    machine.settings(sidecar="ISTIO_INBOUND_PORTS='*'\nISTIO_LOCAL_EXCLUDE_PORTS=8443,9\n")
    assert machine.run("istio-iptables.sh").returncode == 0
    inbound = [rule for rule in machine.rules() if rule.startswith("-A ISTIO_INBOUND")]
    assert inbound == [
        "-A ISTIO_INBOUND -p tcp --dport 22 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 8443 -j RETURN",
        "-A ISTIO_INBOUND -p tcp --dport 9 -j RETURN",
        "-A ISTIO_INBOUND -p tcp -j ISTIO_REDIRECT",
    ]


def test_named_ports_bring_no_ssh_exclusion_and_none_brings_no_inbound_chain(machine: Machine) -> None:
    machine.settings(sidecar="ISTIO_INBOUND_PORTS=80,443\n")
    machine.run("istio-iptables.sh")
    assert not any("--dport 22" in rule for rule in machine.rules())
    machine.settings()
    machine.run("istio-iptables.sh")
    assert not any("INBOUND" in rule for rule in machine.rules())
    assert not any("10.233" in rule for rule in machine.rules())


def test_the_two_scripts_read_the_settings_in_opposite_order(machine: Machine) -> None:
    machine.settings(
        sidecar="ISTIO_SERVICE_CIDR=10.1.0.0/16\nISTIO_CP_AUTH=NONE\n",
        cluster="ISTIO_SERVICE_CIDR=10.2.0.0/16\nISTIO_CP_AUTH=MUTUAL_TLS\n",
    )
    machine.run("istio-iptables.sh")
    assert "-A ISTIO_OUTPUT -d 10.1.0.0/16 -j ISTIO_REDIRECT" in machine.rules()
    machine.run("istio-start.sh", "run", ISTIO_SVC_IP="192.168.0.81", POD_NAME="vm")
    assert "--controlPlaneAuthPolicy MUTUAL_TLS" in machine.calls.read_text()


def test_other_interception_modes_are_refused(machine: Machine) -> None:
    machine.settings(sidecar="ISTIO_INBOUND_INTERCEPTION_MODE=TPROXY\n")
    result = machine.run("istio-iptables.sh")
    assert result.returncode == 1
    assert "TPROXY" in result.stderr
    assert machine.rules() == []


def test_clean_removes_what_is_there_and_adds_nothing(machine: Machine) -> None:
    # Every chain exists; each rule is found once.
    machine.tool(
        "iptables",
        RECORDER.format(name="iptables")
        + 'case "$*" in *-C*) n="$CALLS.$(echo "$*" | md5sum | cut -c1-8)"; [ -e "$n" ] && exit 1; touch "$n";; esac\n',
    )
    machine.settings()
    assert machine.run("istio-iptables.sh", "clean").returncode == 0
    calls = machine.calls.read_text()
    for rule in ("-D PREROUTING -p tcp -j ISTIO_INBOUND", "-D OUTPUT -p tcp -j ISTIO_OUTPUT", "-X ISTIO_REDIRECT"):
        assert calls.count(rule) == 1
    assert calls.index("-X ISTIO_OUTPUT") < calls.index("-X ISTIO_REDIRECT")
    assert "ip6tables" not in calls
    assert machine.rules() == []


def test_start_runs_the_capture_then_the_agent_as_istio_proxy(machine: Machine) -> None:
    machine.tool("istio-iptables.sh", RECORDER.format(name="istio-iptables.sh"))
    machine.settings(cluster="ISTIO_SYSTEM_NAMESPACE=istio-system\nISTIO_CP_AUTH=MUTUAL_TLS\n")
    env = {"ISTIO_BIN_BASE": str(machine.tools), "ISTIO_SVC_IP": "192.168.0.81", "POD_NAME": "deb-nginx01"}
    assert machine.run("istio-start.sh", **env).returncode == 0
    first, second = machine.calls.read_text().splitlines()
    assert first.startswith("istio-iptables.sh")
    assert second.startswith(
        "su -s /bin/bash -c INSTANCE_IP=192.168.0.81 POD_NAME=deb-nginx01 POD_NAMESPACE=default exec "
    )
    assert (
        "pilot-agent proxy  --serviceCluster rawvm --discoveryAddress istio-pilot.istio-system:15011"
        " --controlPlaneAuthPolicy MUTUAL_TLS >> /var/log/istio/istio.log 2>&1 istio-proxy"
    ) in second


def test_node_agent_start(machine: Machine) -> None:
    machine.settings(sidecar="NODE_AGENT_RENEW_AFTER=20\n")
    assert machine.run("istio-node-agent-start.sh").returncode == 0
    call = machine.calls.read_text()
    assert (
        "NODE_AGENT_RENEW_AFTER=20 exec /usr/local/bin/node_agent --env onprem --ca-address istio-citadel:8060" in call
    )
    assert (
        "--cert-chain /etc/certs/cert-chain.pem --key /etc/certs/key.pem --root-cert /etc/certs/root-cert.pem" in call
    )
