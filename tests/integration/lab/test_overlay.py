# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The overlay is one way: pods reach the site, the site reaches pods only through a node's kube-proxy.

Runs as root against the lab that is up.
"""

from __future__ import annotations

import io
import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lab import config, hosts
from lab.kube import pods
from lab.kube.client import ApiAnswer, Client
from lab.pods.network import netns_path

Json = dict[str, Any]
SITE = config.topology()
VM = SITE.with_role("vm")[-1]
NODES = SITE.with_role("node")
PROBE_SERVICE = "overlay-test"
PROBE_PORT = 18080
"""On the VIP, and of no other service; the pods listen on 8080."""
LISTENER_PORT = 18081
"""On the VM, and not one that a sidecar would take over."""

pytestmark = pytest.mark.skipif(not netns_path(SITE.netns).exists(), reason="the lab is not up: lab/lab up")


@pytest.fixture(name="api", scope="module")
def fixture_api() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture(name="pod_addresses", scope="module")
def fixture_pod_addresses(api: Client) -> dict[str, str]:
    found = {
        item["metadata"]["name"]: item["status"]["podIP"]
        for item in api.call("GET", "/api/v1/pods")["items"]
        if item["status"].get("phase") == "Running" and not item["metadata"].get("deletionTimestamp")
    }
    assert len(found) >= 6
    return found


def in_pod(*command: str) -> tuple[int, str]:
    output = io.BytesIO()
    status = pods.exec_in_pod("sleep", "default", command, output, output)
    return status, output.getvalue().decode()


def on_vm(*command: str) -> subprocess.CompletedProcess[str]:
    return hosts.ssh(VM, list(command), check=False, timeout=30)


def connects_from_pod(address: str, port: int) -> bool:
    return in_pod("bash", "-c", f"timeout 3 bash -c '</dev/tcp/{address}/{port}'")[0] == 0


def open_from_vm(targets: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of the targets that the VM can connect to, all tried at once."""
    tries = [f"(timeout 2 bash -c '</dev/tcp/{a}/{p}' 2>/dev/null && echo {a} {p}) &" for a, p in targets]
    done = on_vm("\n".join([*tries, "wait"]))
    assert done.returncode == 0, done.stderr
    return {(address, int(port)) for address, port in (line.split() for line in done.stdout.splitlines())}


def a_pod(pod_addresses: dict[str, str], deployment: str) -> str:
    return next(address for name, address in pod_addresses.items() if name.startswith(f"{deployment}-"))


@pytest.mark.parametrize("host", SITE.hosts, ids=lambda host: host.name)
def test_a_pod_reaches_every_host(host: config.Host) -> None:
    assert connects_from_pod(host.address, 22)


def test_a_vm_sees_a_pod_as_its_node() -> None:
    """Pods leave through their node's address, so that a VM can answer without a route to pods."""
    listen = f"s = socket.create_server(('', {LISTENER_PORT})); s.settimeout(10)"
    listener = f"import socket; {listen}; print(s.accept()[1][0])"
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(on_vm, "python3", "-c", listener)
        deadline = time.monotonic() + 10
        while not connects_from_pod(VM.address, LISTENER_PORT) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert seen.result().stdout.strip() == SITE.host("k8s-node1").address


def test_pods_reach_each_other_across_nodes_and_by_name(pod_addresses: dict[str, str]) -> None:
    assert connects_from_pod(a_pod(pod_addresses, "istio-pilot"), 8080)
    assert connects_from_pod(a_pod(pod_addresses, "istio-policy"), 9091)
    status, answer = in_pod("curl", "-sS", "--max-time", "5", "http://istio-pilot.istio-system:8080/ready")
    assert (status, json.loads(answer)) == (0, {"ready": True})


def test_no_pod_address_is_reachable_from_a_vm(pod_addresses: dict[str, str]) -> None:
    listening = {
        "istio-pilot": 8080,
        "istio-citadel": 8060,
        "istio-policy": 9091,
        "istio-telemetry": 9091,
        "kube-dns": 53,
    }
    targets = [(a_pod(pod_addresses, deployment), port) for deployment, port in listening.items()]
    assert all(connects_from_pod(*target) for target in targets), "the pods themselves"
    assert open_from_vm(targets) == set()


def test_no_cluster_ip_is_reachable_from_a_vm(api: Client) -> None:
    targets = [
        (service["spec"]["clusterIP"], port["port"])
        for service in api.call("GET", "/api/v1/services")["items"]
        for port in service["spec"]["ports"]
        if port["protocol"] == "TCP" and service["spec"]["clusterIP"] != "None"
    ]
    assert len(targets) >= 8
    assert open_from_vm([*targets, (VM.address, 9080)]) == {(VM.address, 9080)}


@pytest.fixture(name="route_by_node")
def fixture_route_by_node(request: pytest.FixtureRequest) -> Iterator[None]:
    """A route that a VM never has: the pod network, or the VIP, through one node."""
    destination, node = request.param
    on_vm("ip", "route", "replace", destination, "via", node)
    try:
        yield
    finally:
        on_vm("ip", "route", "delete", destination, "via", node)


@pytest.mark.parametrize(
    "route_by_node", [(SITE.pod_cidr, node.address) for node in NODES], indirect=True, ids=[n.name for n in NODES]
)
@pytest.mark.usefixtures("route_by_node")
def test_a_node_does_not_let_a_vm_through_to_pods(pod_addresses: dict[str, str]) -> None:
    bridges = [(str(node.pod_cidr).replace(".0/24", ".1"), 22) for node in NODES]
    assert open_from_vm([(a_pod(pod_addresses, "istio-pilot"), 8080), *bridges]) == set()


@pytest.fixture(name="external_service", scope="module")
def fixture_external_service(api: Client) -> Iterator[None]:
    collection = "/api/v1/namespaces/istio-system/services"
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": PROBE_SERVICE},
        "spec": {
            "selector": {"istio": "pilot"},
            "externalIPs": [SITE.vip],
            "ports": [{"name": "http", "port": PROBE_PORT, "targetPort": 8080, "protocol": "TCP"}],
        },
    }
    _delete(api, f"{collection}/{PROBE_SERVICE}")
    api.call("POST", collection, body)
    try:
        yield
    finally:
        _delete(api, f"{collection}/{PROBE_SERVICE}")


def _delete(api: Client, path: str) -> None:
    try:
        api.call("DELETE", path)
    except ApiAnswer as error:
        if error.status != 404:
            raise


@pytest.mark.parametrize(
    "route_by_node", [(f"{SITE.vip}/32", node.address) for node in NODES], indirect=True, ids=[n.name for n in NODES]
)
@pytest.mark.usefixtures("external_service", "route_by_node")
def test_every_node_hands_the_vip_to_a_pod(pod_addresses: dict[str, str]) -> None:
    """What direct routing relies on: a packet for the VIP that arrives at a node is
    redirected to a pod, on any node."""
    url = f"http://{SITE.vip}:{PROBE_PORT}/ready"
    deadline = time.monotonic() + 10  # kube-proxy needs a moment for a new Service
    while True:
        done = on_vm("curl", "-sS", "--max-time", "3", url)
        if done.returncode == 0 or time.monotonic() > deadline:
            break
    assert json.loads(done.stdout) == {"ready": True}, done.stderr
    assert open_from_vm([(a_pod(pod_addresses, "istio-pilot"), 8080)]) == set()
