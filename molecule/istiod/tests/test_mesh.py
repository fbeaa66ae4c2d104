"""What a run of site.yml has made, seen with other tools than the collection's: ipvsadm, kubectl's API, curl. The rows
themselves site.yml has verified by now, twice."""

from __future__ import annotations

from collections.abc import Callable

import lab_state
import pytest
from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
NODES = ("192.168.0.71", "192.168.0.72", "192.168.0.73")
PORTS = (15012, 15443)
NETWORK_LABEL = "topology.istio.io/network"
RECORD = "mesh.expansion/network-label"
EXPOSED = ("istio-eastwestgateway-lb", "istiod-lb")


def test_what_authenticates_its_clients_is_on_the_vip_and_nothing_else(director: Host) -> None:
    wanted = []
    for port in PORTS:
        wanted += [f"-A -t {VIP}:{port} -s wrr"] + [f"-a -t {VIP}:{port} -r {node}:{port} -g -w 1" for node in NODES]
    assert sorted(line.strip() for line in director.check_output("ipvsadm -S -n").splitlines()) == sorted(wanted)


def test_services_beside_the_installers(core: client.CoreV1Api) -> None:
    services = {item.metadata.name: item for item in core.list_namespaced_service("istio-system").items}
    ours = [services[name] for name in EXPOSED]
    assert {(item.spec.type, item.spec.load_balancer_class) for item in ours} == {
        ("LoadBalancer", "mesh.expansion/director")
    }
    assert not [port.node_port for item in ours for port in item.spec.ports if port.node_port]
    assert [[(one.ip, one.ip_mode) for one in item.status.load_balancer.ingress] for item in ours] == [
        [(VIP, "VIP")],
        [(VIP, "VIP")],
    ]
    assert services["istiod"].spec.type == "ClusterIP"


def test_the_network_is_labelled_and_that_is_recorded(core: client.CoreV1Api) -> None:
    namespace = core.read_namespace("istio-system").metadata
    gateway = client.AppsV1Api(lab_state.api()).read_namespaced_deployment("istio-eastwestgateway", "istio-system")
    labels = [item.labels.get(NETWORK_LABEL) for item in (namespace, gateway.spec.template.metadata)]
    assert labels == ["pod-network", "pod-network"]
    assert [item.annotations.get(RECORD) for item in (namespace, gateway.metadata)] == ["pod-network", "pod-network"]


@pytest.mark.parametrize("path", ["/var/run/secrets/tokens/istio-token", "/etc/certs/key.pem"])
def test_only_the_proxys_account_reads_what_is_secret(vm: Host, path: str) -> None:
    file = vm.file(path)
    assert (file.user, file.mode) == ("istio-proxy", 0o600)


def test_the_vm_has_its_names_by_its_sidecar(vm: Host) -> None:
    assert f"{VIP} istiod.istio-system.svc" in vm.file("/etc/hosts").content_string
    assert "127.0.0.1" not in vm.file("/etc/resolv.conf").content_string
    assert not vm.package("dnsmasq").is_installed
    assert vm.check_output("getent ahostsv4 server.default.svc.cluster.local")


def test_pods_reach_the_vm_and_the_vm_pods(vm: Host, pod: Callable[..., str]) -> None:
    page = ("curl", "-sS", "--max-time", "15", "http://deb-nginx01:9080")
    assert "Welcome to nginx!" in pod(*page, app="client", container="client")
    # As an ordinary user, whose traffic is captured.
    said = vm.check_output("runuser -u nobody -- curl -sS --max-time 15 http://server.default:8080/")
    assert "URI=spiffe://cluster.local/ns/default/sa/deb-nginx01" in said
