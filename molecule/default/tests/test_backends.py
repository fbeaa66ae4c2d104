"""The control plane moves from external addresses to load balancers and back, and no connection of a VM fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess
from typing import Any

import pytest
from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
UNIT = "mesh-test-connects"
RESULT = "/run/mesh-test-connects.json"
# A new connection to Pilot every 20 ms; the numbers go to a file at the end. As the proxy's user: others are captured.
# A node that holds the address but has no rules refuses at once; a busy machine only answers late, which is no fault.
CLIENT = f"""
import json, signal, socket, sys, time
made, failures = 0, []
def end(*_signal):
    with open("{RESULT}", "w") as file:
        json.dump({{"made": made, "failures": failures}}, file)
    sys.exit()
signal.signal(signal.SIGTERM, end)
while True:
    begun = time.time()
    try:
        socket.create_connection(("{VIP}", 15011), timeout=10).close()
        made += 1
    except OSError as exc:
        failures.append([begun, str(exc)])
    time.sleep(max(0, 0.02 - (time.time() - begun)))
"""
Playbook = Callable[..., CompletedProcess[str]]


@pytest.fixture
def moved_back(playbook: Playbook) -> Iterator[None]:
    yield
    assert playbook("site.yml", "--tags", "exposure").returncode == 0


def exposed(core: client.CoreV1Api) -> list[Any]:
    services = core.list_service_for_all_namespaces(label_selector="app.kubernetes.io/component=exposure").items
    return [(item.spec.type, item.spec.external_ips, item.status.load_balancer.ingress) for item in services]


def expose(playbook: Playbook, backend: str) -> None:
    done = playbook("site.yml", "--tags", "exposure", "-e", f"mesh_exposure_backend={backend}")
    assert done.returncode == 0, done.stdout[-4000:]


def test_moving_there_and_back_drops_no_connection(
    vm: Host, core: client.CoreV1Api, playbook: Playbook, moved_back: None
) -> None:
    vm.check_output(f"touch {RESULT} && chown istio-proxy {RESULT}")
    vm.check_output("systemd-run --quiet --unit=%s --uid=istio-proxy python3 -c %s", UNIT, CLIENT)
    try:
        expose(playbook, "load_balancer")
        assert {(kind, bool(addresses)) for kind, addresses, _ingress in exposed(core)} == {("LoadBalancer", False)}
        assert all([(item.ip, item.ip_mode) for item in ingress] == [(VIP, "VIP")] for _k, _a, ingress in exposed(core))
        done = playbook("playbooks/verify.yml", "-e", "mesh_exposure_backend=load_balancer")
        assert done.returncode == 0, done.stdout[-4000:]
        expose(playbook, "external_ips")
        assert {(kind, bool(addresses)) for kind, addresses, _ingress in exposed(core)} == {("ClusterIP", True)}
        time.sleep(2)
    finally:
        vm.run("systemctl stop %s", UNIT)
    result = json.loads(vm.file(RESULT).content_string)
    vm.check_output(f"rm {RESULT}")
    assert result["failures"] == []
    assert result["made"] > 200
