"""What the secure default exposes, on the director and in the API, and that it is enough."""

from __future__ import annotations

from collections.abc import Callable

from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
NODES = ("192.168.0.71", "192.168.0.72", "192.168.0.73")
TCP = (53, 8060, 9091, 15004, 15005, 15011)
UNAUTHENTICATED = (8080, 15010)


def test_table(director: Host) -> None:
    wanted = [f"-A -u {VIP}:53 -s wrr -o"] + [f"-a -u {VIP}:53 -r {node}:53 -g -w 1" for node in NODES]
    for port in TCP:
        wanted += [f"-A -t {VIP}:{port} -s wrr"] + [f"-a -t {VIP}:{port} -r {node}:{port} -g -w 1" for node in NODES]
    assert sorted(line.strip() for line in director.check_output("ipvsadm -S -n").splitlines()) == sorted(wanted)


def test_services(core: client.CoreV1Api) -> None:
    exposed = [item for item in core.list_service_for_all_namespaces().items if item.spec.external_ips]
    assert {address for item in exposed for address in item.spec.external_ips} == {VIP}
    ports = {(port.protocol, port.port) for item in exposed for port in item.spec.ports}
    assert ports == {("UDP", 53)} | {("TCP", port) for port in TCP}


def test_unauthenticated_ports_cannot_be_reached(vm: Host) -> None:
    for port in UNAUTHENTICATED:
        assert vm.run(f"curl -sS -o /dev/null --max-time 4 http://{VIP}:{port}/").rc != 0, port


def test_names_over_udp_and_tcp(vm: Host) -> None:
    for options in ("", "-T"):
        answer = vm.check_output(f"host {options} -t A istio-pilot.istio-system.svc.cluster.local. {VIP}")
        assert "has address 10.233." in answer, options


def test_page_through_envoy(pod: Callable[..., str]) -> None:
    assert "Welcome to nginx!" in pod("curl", "-sS", "--max-time", "15", "http://deb-nginx01:9080")
