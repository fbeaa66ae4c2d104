"""A node is drained, removed, added back, and the scheduler changes, while a VM keeps requests
going through the virtual IP."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import lab_state
import pytest
from ansible_collections.mesh.expansion.tests.reference import procedure
from testinfra.host import Host

VIP = "192.168.0.62"
SERVICE = f"{VIP}:8080"
# The procedure forwards the service to these nodes only.
NODES = {"192.168.0.72": "k8s-node2", "192.168.0.73": "k8s-node3"}
REQUESTS = Path(__file__).with_name("requests.py")
CONNECTIONS = re.compile(r"^  -> (\S+):8080 +Route +(\d+) +(\d+) +(\d+) *$", re.MULTILINE)
Playbook = Callable[..., CompletedProcess[str]]


@contextmanager
def asking(host: str) -> Iterator[dict[str, Any]]:
    """Requests from the host while the block runs; afterwards the result is filled in."""
    result: dict[str, Any] = {}
    command = lab_state.ssh(host, f"echo $$; exec python3 - {VIP} 8080 /ready")
    with (
        REQUESTS.open("rb") as program,
        subprocess.Popen(command, stdin=program, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        try:
            yield result
        finally:
            lab_state.must(host, f"kill -TERM {pid}")
            result |= json.loads(process.communicate(timeout=30)[0])


def weights(director: Host) -> dict[str, int]:
    """The weight of each real server of the service."""
    return {
        address: int(weight)
        for address, weight, _active, _inactive in CONNECTIONS.findall(
            director.check_output(f"ipvsadm -Ln -t {SERVICE}")
        )
    }


def connections(director: Host) -> dict[str, int]:
    """How many connections each real server of the service got since it was added."""
    lines = director.check_output(f"ipvsadm -Ln --stats --exact -t {SERVICE}").splitlines()
    rows = [line.split() for line in lines if line.startswith("  -> ") and ":8080 " in line]
    return {row[1].split(":")[0]: int(row[2]) for row in rows}


@pytest.fixture
def ipvs_service() -> Callable[..., str]:
    """Call the module on the director."""

    def call(**values: Any) -> str:
        options = {"tcp_service": SERVICE, "scheduler": "wrr", "persistent": 300, **values}
        command = [
            "ansible",
            "-i",
            "inventory/lab",
            "lvs1",
            "-m",
            "mesh.expansion.ipvs_service",
            "-a",
            json.dumps(options),
        ]
        done = subprocess.run(command, cwd=lab_state.ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def run(playbook: Playbook, *arguments: str) -> str:
    done = playbook(*arguments)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_no_request_fails(
    director: Host, playbook: Playbook, ipvs_service: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    with asking("deb-nginx01") as result:
        time.sleep(3)
        before = connections(director)
        # The service is persistent: the client's requests all go to one node, and that is the one to take out.
        address = max(before, key=lambda item: before[item])
        assert before[address] > 0
        node = NODES[address]

        output = run(playbook, "playbooks/drain.yml", "-e", f"node={node}", "-e", "director_drain_timeout=12")
        assert f"lvs1: draining {address}:8080 of -t {SERVICE} for " in output
        assert f"{node} gets no new connections from lvs1." in output
        assert weights(director) == {name: 0 if name == address else 1 for name in NODES}
        drained = connections(director)[address]
        time.sleep(3)
        assert connections(director)[address] == drained
        # Requests go on elsewhere.
        assert sum(connections(director).values()) > sum(before.values())

        ipvs_service(real_servers=[{"real_server": f"{name}:8080"} for name in NODES if name != address])
        assert set(weights(director)) == set(NODES) - {address}
        time.sleep(2)
        ipvs_service(real_servers=[{"real_server": f"{address}:8080", "weight": 0}], real_servers_mode="merge")
        assert weights(director)[address] == 0
        run(playbook, "playbooks/undrain.yml", "-e", f"node={node}")
        assert weights(director) == dict.fromkeys(NODES, 1)

        for scheduler in ("rr", "wlc", "wrr"):
            ipvs_service(scheduler=scheduler)
            assert f"{SERVICE} {scheduler} persistent 300" in director.check_output(f"ipvsadm -Ln -t {SERVICE}")
            time.sleep(2)
    with capsys.disabled():
        print(f"\n{result['answers']} requests through the virtual IP, {len(result['failures'])} failed")
    assert result["failures"] == []
    assert result["answers"] > 500
    assert procedure.comparable_rules(director.check_output("ipvsadm -S -n")) == procedure.rules()
