"""Each row of the reference procedure on the running systems, with the procedure's literal values and other tools than
the collection's: ipvsadm, iptables-save, host, openssl's counterpart in Python, curl."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from ansible_collections.mesh.expansion.tests.reference import procedure
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kubernetes import client
from testinfra.host import Host

VIP = "192.168.0.62"
VM = "192.168.0.81"
KUBEDNS = """\
server=/svc.cluster.local/192.168.0.62
address=/istio-mixer/192.168.0.62
address=/istio-policy/192.168.0.62
address=/istio-telemetry/192.168.0.62
address=/istio-pilot/192.168.0.62
address=/istio-citadel/192.168.0.62
address=/istio-ca/192.168.0.62
address=/istio-mixer.istio-system/192.168.0.62
address=/istio-policy.istio-system/192.168.0.62
address=/istio-telemetry.istio-system/192.168.0.62
address=/istio-pilot.istio-system/192.168.0.62
address=/istio-citadel.istio-system/192.168.0.62
address=/istio-ca.istio-system/192.168.0.62
"""


@pytest.fixture(scope="module")
def dump(vm: Host) -> dict[str, Any]:
    """Envoy's configuration, as its admin port tells it."""
    return json.loads(vm.check_output("curl -sS --max-time 10 http://127.0.0.1:15000/config_dump"))


def test_r1_to_r4_services(core: client.CoreV1Api) -> None:
    services = core.list_service_for_all_namespaces().items
    plain = core.api_client.sanitize_for_serialization
    exposed = [plain(item) for item in services if item.spec.external_ips]
    assert procedure.comparable_services(exposed) == procedure.services()


def test_r5_table(director: Host) -> None:
    assert procedure.comparable_rules(director.check_output("ipvsadm -S -n")) == procedure.rules()


def test_r5_vip_is_held_by_the_director_only(director: Host, vm: Host) -> None:
    assert f"inet {VIP}/" in director.check_output("ip -4 address show")
    replies = vm.check_output(f"arping -c 2 -w 5 -I eth0 {VIP}")
    assert len(set(re.findall(r"from (?:[\w.:-]+ )?[\[(]?([0-9A-Fa-f:]{17})", replies))) == 1, replies


def test_r6_identity(vm: Host, core: client.CoreV1Api) -> None:
    secret = core.read_namespaced_secret("istio.default", "default").data
    chain = vm.file("/etc/certs/cert-chain.pem").content
    certificate = x509.load_pem_x509_certificates(chain)[0]
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://cluster.local/ns/default/sa/default"]
    key = serialization.load_pem_private_key(vm.file("/etc/certs/key.pem").content, password=None)
    assert key.public_key() == certificate.public_key()
    assert vm.file("/etc/certs/root-cert.pem").content == base64.b64decode(secret["root-cert.pem"])
    root = x509.load_pem_x509_certificate(base64.b64decode(secret["root-cert.pem"]))
    certificate.verify_directly_issued_by(root)


@pytest.mark.parametrize(("name", "mode"), [("key.pem", 0o600), ("cert-chain.pem", 0o644), ("root-cert.pem", 0o644)])
def test_r6_owners_and_modes(vm: Host, name: str, mode: int) -> None:
    file = vm.file(f"/etc/certs/{name}")
    assert (file.user, file.group, file.mode) == ("istio-proxy", "istio-proxy", mode)


def test_r7_kubedns(vm: Host) -> None:
    lines = [line for line in vm.file("/etc/dnsmasq.d/kubedns").content_string.splitlines() if not line.startswith("#")]
    assert lines == KUBEDNS.splitlines()


def test_r8_cluster_env(vm: Host) -> None:
    lines = vm.file("/var/lib/istio/envoy/cluster.env").content_string.splitlines()
    for line in ("ISTIO_SERVICE_CIDR=10.233.0.0/16", "ISTIO_SYSTEM_NAMESPACE=istio-system", "ISTIO_CP_AUTH=MUTUAL_TLS"):
        assert line in lines


def test_r9_resolver(vm: Host) -> None:
    assert vm.package("dnsmasq").is_installed
    assert vm.service("dnsmasq").is_enabled
    assert vm.service("dnsmasq").is_running
    nameservers = re.findall(r"^nameserver (\S+)", vm.file("/etc/resolv.conf").content_string, re.MULTILINE)
    assert nameservers[0] == "127.0.0.1"
    assert len(nameservers) > 1
    entries = [line.split() for line in vm.file("/etc/hosts").content_string.splitlines()]
    assert any(entry[:1] == [VM] and "deb-nginx01" in entry[1:] for entry in entries)


@pytest.mark.parametrize(
    "name", ["istio-pilot", "istio-pilot.istio-system", "istio-citadel", "istio-citadel.istio-system"]
)
def test_r10_names_that_answer_the_vip(vm: Host, name: str) -> None:
    assert vm.check_output(f"host -t A {name}.").endswith(f"has address {VIP}")


@pytest.mark.parametrize("name", ["istio-pilot", "istio-citadel"])
def test_r10_names_that_answer_a_cluster_address(vm: Host, core: client.CoreV1Api, name: str) -> None:
    address = core.read_namespaced_service(name, "istio-system").spec.cluster_ip
    assert address.startswith("10.233.")
    # Over UDP only, as row R2 has it: an answer over TCP could only come from dnsmasq's cache.
    # Scenario secure has TCP too.
    assert vm.check_output(f"host -t A {name}.istio-system.svc.cluster.local.").endswith(f"has address {address}")


def test_r11_package_and_units(vm: Host) -> None:
    assert vm.package("istio-sidecar").is_installed
    for unit in ("istio", "istio-auth-node-agent"):
        assert vm.service(unit).is_enabled, unit
    for folder in ("/var/lib/istio/envoy", "/etc/certs"):
        assert vm.file(folder).user == "istio-proxy", folder


def test_r12_agent(vm: Host) -> None:
    assert vm.service("istio-auth-node-agent").is_running
    log = vm.check_output("journalctl -u istio-auth-node-agent -o cat --no-pager")
    assert re.search(r"CSR is approved successfully\. Will renew cert in 1079h59m\d+", log), log[-2000:]


def test_r13_processes(vm: Host) -> None:
    assert vm.service("istio").is_running
    commands = vm.check_output("ps -eo args --no-headers -ww").splitlines()
    for pattern in (r"node_agent\b", r"pilot-agent\b", r"envoy\b", r"^su .*istio-proxy"):
        assert any(re.search(pattern, command) for command in commands), pattern


def test_r13_nat_chains(vm: Host) -> None:
    rules = vm.check_output("iptables-save -t nat")
    user = vm.check_output("id -u istio-proxy")
    group = vm.check_output("id -g istio-proxy")
    output = [line for line in rules.splitlines() if line.startswith("-A ISTIO_OUTPUT ")]
    for match in (
        f"--uid-owner {user} -j RETURN",
        f"--gid-owner {group} -j RETURN",
        "--uid-owner 0 -j RETURN",
        "--gid-owner 0 -j RETURN",
    ):
        assert any(line.endswith(match) for line in output), match
    assert any("-d 127.0.0.1/32" in line and line.endswith("-j RETURN") for line in output)
    assert any("-d 10.233.0.0/16" in line and line.endswith("-j ISTIO_REDIRECT") for line in output)
    assert re.search(r"^-A ISTIO_REDIRECT .*-j REDIRECT --to-ports 15001$", rules, re.MULTILINE)


def test_r14_inbound_ports(vm: Host) -> None:
    assert "ISTIO_INBOUND_PORTS=9080" in vm.file("/var/lib/istio/envoy/sidecar.env").content_string.splitlines()
    assert re.search(
        r"^-A ISTIO_INBOUND .*--dport 9080 .*-j ISTIO_\w+$", vm.check_output("iptables-save -t nat"), re.MULTILINE
    )


def test_r15_registration(core: client.CoreV1Api) -> None:
    service = core.read_namespaced_service("deb-nginx01", "default")
    endpoints = core.read_namespaced_endpoints("deb-nginx01", "default")
    for item in (service, endpoints):
        assert item.metadata.annotations["alpha.istio.io/kubernetes-serviceaccounts"] == "default"
    assert not service.spec.selector
    assert [(port.name, port.port) for port in service.spec.ports] == [("http", 9080)]
    (subset,) = endpoints.subsets
    assert [address.ip for address in subset.addresses] == [VM]
    assert [(port.name, port.port) for port in subset.ports] == [("http", 9080)]


def test_r16_push(dump: dict[str, Any]) -> None:
    text = json.dumps(dump)
    for direction in ("outbound", "inbound"):
        assert f'"{direction}|9080||deb-nginx01.default.svc.cluster.local"' in text
    assert '"192.168.0.81_9080"' in text


def policy_filters(node: Any) -> Iterator[dict[str, Any]]:
    """The configurations of all filters that ask a policy server, wherever they are in the dump."""
    if isinstance(node, dict):
        if node.get("name") in ("mixer", "envoy.filters.http.ext_authz") and "typed_config" in node:
            yield node["typed_config"]
        for value in node.values():
            yield from policy_filters(value)
    elif isinstance(node, list):
        for value in node:
            yield from policy_filters(value)


def test_r17_no_policy_check_fails_closed(dump: dict[str, Any]) -> None:
    listeners = [part for part in dump["configs"] if part["@type"].endswith("ListenersConfigDump")]
    assert len(listeners[0]["dynamic_listeners"]) > 0
    assert [policy for policy in policy_filters(listeners) if not policy.get("failure_mode_allow")] == []
    assert "FAIL_CLOSE" not in json.dumps(listeners)


def test_r18_mesh_settings(core: client.CoreV1Api) -> None:
    document = yaml.safe_load(core.read_namespaced_config_map("istio", "istio-system").data["mesh"])
    assert {name: document[name] for name in ("disablePolicyChecks", "policyCheckFailOpen", "enableTracing")} == {
        "disablePolicyChecks": True,
        "policyCheckFailOpen": True,
        "enableTracing": False,
    }


def test_r19_page_through_envoy(pod: Callable[..., str]) -> None:
    answer = pod("curl", "-sS", "-i", "--max-time", "15", "http://deb-nginx01:9080")
    assert "Welcome to nginx!" in answer
    assert re.search(r"^server: (?:istio-)?envoy\r?$", answer, re.MULTILINE | re.IGNORECASE), answer[:600]


def test_overlay_is_one_way(vm: Host, core: client.CoreV1Api, pod: Callable[..., str]) -> None:
    """Pods reach the VM; from the VM neither a pod's address nor a cluster address is reachable."""
    assert "Welcome to nginx!" in pod("curl", "-sS", "--max-time", "15", f"http://{VM}:9080")
    (pilot, *_others) = core.list_namespaced_pod("istio-system", label_selector="istio=pilot").items
    cluster_address = core.read_namespaced_service("istio-pilot", "istio-system").spec.cluster_ip
    # As root, whose traffic the sidecar does not capture.
    for address in (pilot.status.pod_ip, cluster_address):
        assert vm.run(f"curl -sS -o /dev/null --max-time 4 http://{address}:8080/").rc != 0, address
        assert vm.run(f"ping -c 1 -W 2 {address}").rc != 0, address
