# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight says of hosts with Docker, ufw, firewalld or rules of nftables, of both generations."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.addresses import Place
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall import look as firewall
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall import nft, xtables
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall.model import Base
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import firewalls, remedies
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.traffic import traffic

RULES = Path(__file__).parents[2] / "_host/firewall/rules"
VARIABLES: dict[str, Any] = {
    "mesh_control_plane": "istiod",
    "mesh_vip": "192.168.0.62",
    "mesh_pod_cidr": "10.244.0.0/16",
}
HOSTS: dict[str, dict[str, Any]] = {
    "lvs1": {"ansible_host": "192.168.0.61"},
    "lvs2": {"ansible_host": "192.168.0.63"},
    "node1": {"ansible_host": "192.168.0.71"},
    "vm1": {"ansible_host": "192.168.0.81", "mesh_vm_services": [{"name": "web", "port": 9080, "protocol": "http"}]},
}
EMPTY = {"kept": [], "clashes": [], "networks": [], "units": {}, "flushes": False, "error": ""}


def parsed(directors: int = 2, vms: int = 1, **variables: Any) -> sites.Site:
    more = {f"vm{number}": {"ansible_host": f"192.168.1.{number}"} for number in range(2, vms + 1)}
    hosts = {**HOSTS, **more}
    groups = {"director": ["lvs1", "lvs2"][:directors], "k8s_nodes": ["node1"], "vms": ["vm1", *more]}
    return sites.parse({**VARIABLES, **variables}.get, groups, lambda name: hosts[name].get)


def rules(name: str) -> list[Base]:
    """Of iptables, of nftables, or of both."""
    told, listed = RULES / f"{name}.iptables-save", RULES / f"{name}.nft.json"
    found = xtables.bases(told.read_text(), "iptables") if told.exists() else []
    own = {(*base.name.split()[1:], base.priority) for base in found}
    return found + (nft.bases(listed.read_text(), lambda *chain: chain in own) if listed.exists() else [])


def looks(site: sites.Site, host: str, bases: list[Base], **more: Any) -> dict[str, Any]:
    places = (Place("eth0", ipaddress.ip_address(HOSTS[host]["ansible_host"]), 24),)
    asked = [firewall.Traffic(**item) for item in traffic(site, host)]
    kept = [line for item in asked for line in firewall.kept(bases, item, places)]
    return {host: {"packet_filter": {**EMPTY, "kept": kept, **more}}}


def said(host: str, name: str, **site: Any) -> tuple[list[str], list[str]]:
    found = parsed(**site)
    seen = looks(found, host, rules(name))
    return firewalls.findings(found, seen), firewalls.notes(found, seen)


def test_a_director_with_ufw() -> None:
    found, notes = said("lvs1", "ufw")
    where = "lvs1: its packet filter (iptables filter INPUT) drops "
    assert found == [
        f"{where}what VMs send to the virtual address, TCP 15012. Let it through: "
        "ufw allow proto tcp from 192.168.0.81 to 192.168.0.62 port 15012.",
        f"{where}the adverts (VRRP) of other directors, so that several would hold the virtual address at once. "
        "Let it through: ufw allow proto vrrp from 192.168.0.63 to 192.168.0.61.",
        f"{where}the synchronisation of connections by other directors, UDP 8848. Let it through: "
        "ufw allow proto udp from 192.168.0.63 to 224.0.0.81 port 8848.",
    ]
    (note,) = notes
    assert "drops packets that are invalid to it" in note
    assert note.endswith(
        "'-A PREROUTING -d 192.168.0.62 -j NOTRACK' and 'COMMIT' into /etc/ufw/before.rules, then ufw reload."
    )


def test_a_single_director_hears_no_other() -> None:
    found, _notes = said("lvs1", "ufw", directors=1)
    assert len(found) == 1


def test_the_reference_generation_exposes_more() -> None:
    found, _notes = said("lvs1", "ufw", directors=1, mesh_control_plane="citadel", mesh_service_cidr="10.233.0.0/16")
    assert ["TCP 53, 8060, 9091, 15004, 15005, 15011. " in line for line in found] == [True, False]
    assert found[1].endswith("ufw allow proto udp from 192.168.0.81 to 192.168.0.62 port 53.")


@pytest.mark.parametrize(("generation", "port"), [("citadel", 15001), ("istiod", 15006)])
def test_a_vm_s_services_come_in_at_the_sidecar_s_port(generation: str, port: int) -> None:
    found, _notes = said("vm1", "ufw", mesh_control_plane=generation, mesh_service_cidr="10.233.0.0/16")
    assert found == [
        "vm1: its packet filter (iptables filter INPUT) drops what pods send to the VM's services, which comes in at "
        "the sidecar's port, TCP 9080. Let it through: "
        f"ufw allow proto tcp from 10.244.0.0/16 to 192.168.0.81 port {port}; "
        f"ufw allow proto tcp from 192.168.0.71 to 192.168.0.81 port {port}."
    ]


def test_pods_or_their_nodes_are_enough() -> None:
    found, (note,) = said("vm1", "ufw-allowed")
    assert found == []
    assert "drops what pods send to the VM's services" in note
    assert "TCP 9080, from 192.168.0.71. If pods come with such addresses: ufw allow" in note


def test_without_the_pods_network_nothing_is_sure() -> None:
    found, notes = said("vm1", "firewalld-allowed", mesh_pod_cidr=None)
    assert (found, notes) == ([], [])
    found, (note,) = said("vm1", "ufw-allowed", mesh_pod_cidr=None)
    assert found == []
    assert "10.244" not in note


def test_firewalld_lets_in_what_the_sidecar_captures() -> None:
    assert said("vm1", "firewalld") == ([], [])


def test_a_director_with_firewalld() -> None:
    found, (note,) = said("lvs1", "firewalld", directors=1)
    assert found == [
        "lvs1: its packet filter (inet firewalld filter_INPUT) drops what VMs send to the virtual address, TCP 15012. "
        "Let it through: firewall-cmd --permanent --add-rich-rule='rule family=ipv4 source address=192.168.0.81 "
        "port port=15012 protocol=tcp accept', then firewall-cmd --reload."
    ]
    assert "firewall-cmd --permanent --direct --add-rule ipv4 raw PREROUTING 0 -d 192.168.0.62 -j NOTRACK" in note


def test_a_node_with_firewalld_forwards_for_kube_proxy_only() -> None:
    found, (note,) = said("node1", "firewalld")
    assert found == []
    assert "(inet firewalld filter_FORWARD) drops what pods send to a VM, TCP 9080, unless the network of pods" in note
    assert "firewall-cmd --permanent --zone=trusted --add-source=10.244.0.0/16, then firewall-cmd --reload" in note
    assert said("node1", "firewalld-allowed") == ([], [])


def test_a_node_with_docker() -> None:
    found, (relayed, sent) = said("node1", "docker")
    assert found == []
    assert "(iptables filter FORWARD) drops what kube-proxy forwards from VMs to pods, TCP 15012, unless" in relayed
    assert "whether that lets through what pods send to a VM" in sent
    assert "iptables -I DOCKER-USER -s 10.244.0.0/16 -d 192.168.0.81 -p tcp --dport 9080 -j ACCEPT" in sent


def test_kube_proxy_lets_its_own_through_beside_docker() -> None:
    text = (RULES / "docker.iptables-save").read_text()
    ours = ":KUBE-FORWARD - [0:0]\n-A FORWARD -j KUBE-FORWARD\n-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT\n"
    flannel = "-A FORWARD -s 10.244.0.0/16 -j ACCEPT\n"
    found = parsed()
    bases = xtables.bases(
        text.replace("-A FORWARD -j DOCKER-USER\n", f"{ours}{flannel}-A FORWARD -j DOCKER-USER\n"), "x"
    )
    seen = looks(found, "node1", bases)
    assert (firewalls.findings(found, seen), firewalls.notes(found, seen)) == ([], [])


def test_a_port_that_docker_publishes() -> None:
    found, (note,) = said("vm1", "docker-published")
    assert found == []
    assert note.startswith(
        "vm1: a rule of its packet filter (iptables nat PREROUTING) gives what pods send to the VM's"
    )
    assert "docker run --network host" in note
    text = (RULES / "docker-published.iptables-save").read_text().replace("--dport 9080", "--dport 15012")
    site = parsed(directors=1)
    (line,) = firewalls.findings(site, looks(site, "lvs1", xtables.bases(text, "iptables")))
    assert "gives what VMs send to the virtual address, TCP 15012, another destination, as Docker does" in line


def chain(hook: str, *rules: str, policy: str = "DROP") -> list[Base]:
    lines = "".join(f"-A {hook} {rule}\n" for rule in rules)
    return xtables.bases(f"*filter\n:{hook} {policy} [0:0]\n{lines}COMMIT\n", "iptables-legacy")


def test_a_director_cannot_tell_packets_of_a_connection_from_new_ones() -> None:
    rule = "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack --ctstate NEW -j DROP"
    site = parsed(directors=1)
    (line,) = firewalls.findings(site, looks(site, "lvs1", chain("INPUT", rule, policy="ACCEPT")))
    assert "(iptables-legacy filter INPUT) drops all packets of a connection through the director but the first" in line
    assert "iptables-legacy -t raw -A PREROUTING -d 192.168.0.62 -j NOTRACK" in line


def test_what_goes_out() -> None:
    site = parsed(directors=1)
    (line,) = firewalls.findings(site, looks(site, "lvs1", chain("OUTPUT", "-m conntrack --ctstate NEW -j ACCEPT")))
    assert "drops what IPVS sends on to the nodes, TCP 15012." in line
    (line,) = firewalls.findings(site, looks(site, "vm1", chain("OUTPUT", "-o lo -j ACCEPT")))
    assert "drops what the VM sends to the virtual address, TCP 15012." in line


def test_answers_and_the_host_itself() -> None:
    site = parsed(directors=1)
    found = firewalls.findings(site, looks(site, "vm1", chain("INPUT", "-p tcp -m tcp --dport 15006 -j ACCEPT")))
    assert [line.rsplit(": ", 1)[1] for line in found] == [
        "iptables-legacy -I INPUT -i lo -j ACCEPT, and have it loaded at boot as well.",
        "iptables-legacy -I INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT, and have it loaded at boot as "
        "well.",
    ]


def test_rules_of_the_cluster_are_its_own_affair() -> None:
    site = parsed()
    accept = [base._replace(owner="cluster", policy="accept") for base in rules("docker")]
    doubtful = [base for base in rules("statements") if base.hook == "prerouting"]
    taken = chain("PREROUTING", "-j DNAT --to-destination 10.244.0.1", policy="ACCEPT")
    assert firewalls.notes(site, looks(site, "node1", accept + doubtful + taken)) == []


def test_what_is_said_of_several_hosts_is_said_once() -> None:
    site = parsed()
    seen = {**looks(site, "lvs1", rules("docker")), **looks(site, "lvs2", rules("docker"))}
    for look in seen.values():
        look["packet_filter"]["error"] = "it was busy"
    assert firewalls.notes(site, seen) == ["lvs1, lvs2: its packet filter was not judged: it was busy."]


@pytest.mark.parametrize(
    ("networks", "findings", "notes"),
    [
        ({"docker0": "172.17.0.0/16", "eth0": "192.168.0.0/24"}, 0, 0),
        ({"docker0": "192.168.0.0/16", "eth0": "192.168.0.0/24"}, 0, 0),
        ({"docker0": "192.168.0.0/16"}, 4, 0),
        ({"br-0123456789ab": "192.168.0.64/28", "eth0": "192.168.0.0/24"}, 1, 0),
        ({"docker0": "192.168.0.0/24", "eth0": "192.168.0.0/24"}, 0, 0),
        ({"docker0": "10.244.128.0/17"}, 0, 1),
        ({"cni0": "10.244.128.0/17"}, 0, 0),
    ],
)
def test_networks_of_bridges(networks: dict[str, str], findings: int, notes: int) -> None:
    found = [
        {"interface": name, "network": network, "engine": firewall.BRIDGE.fullmatch(name) is not None}
        for name, network in networks.items()
    ]
    site, look = parsed(), {"vm1": {"packet_filter": {**EMPTY, "networks": found}}}
    assert len(firewalls.findings(site, look)) == findings
    assert len(firewalls.notes(site, look)) == notes
    assert all("default-address-pools" in line for line in firewalls.findings(site, look) + firewalls.notes(site, look))


@pytest.mark.parametrize(
    ("units", "flushes", "words"),
    [
        ({}, True, []),
        ({"nftables.service": {"active": True, "enabled": True}}, False, []),
        ({"nftables.service": {"active": True, "enabled": True}}, True, ["a reload of nftables.service takes away"]),
        ({"firewalld.service": {"active": False, "enabled": True}}, False, ["come at the next boot"]),
        ({"firewalld.service": {"active": False, "enabled": False}}, False, []),
    ],
)
def test_services(units: dict[str, Any], flushes: bool, words: list[str]) -> None:
    notes = firewalls.notes(parsed(), {"vm1": {"packet_filter": {**EMPTY, "units": units, "flushes": flushes}}})
    assert [word in note for word, note in zip(words, notes, strict=True)] == [True] * len(words)


def test_rules_of_nftables_are_opened_in_their_own_words() -> None:
    wanted = remedies.Opening(
        "nft", "inet filter input", "input", "tcp", ["10.0.0.1", ""], "192.0.2.1", [15006], [9080]
    )
    assert remedies.let_in(wanted) == (
        "nft insert rule inet filter input ip saddr 10.0.0.1 ip daddr 192.0.2.1 tcp dport 15006 "
        "ct original proto-dst 9080 accept, and have it loaded at boot as well"
    )
    several = wanted._replace(sources=["10.0.0.1", "10.0.0.2"], ports=[53, 80], originals=())
    assert "'ip saddr { 10.0.0.1, 10.0.0.2 } ip daddr 192.0.2.1 tcp dport { 53, 80 }' accept" in remedies.let_in(
        several
    )
    assert "ip daddr 192.168.0.62 notrack" in remedies.not_track("nft", "192.168.0.62")


@pytest.mark.parametrize("host", ["lvs1", "node1", "vm1"])
@pytest.mark.parametrize("generation", ["citadel", "istiod"])
@pytest.mark.parametrize("name", ["ufw", "firewalld"])
def test_what_they_are_told_is_enough(name: str, generation: str, host: str) -> None:
    """The rules as they are when ufw and firewalld have run all commands that findings and notes name."""
    more = {"mesh_control_plane": generation, "mesh_service_cidr": "10.233.0.0/16"}
    before, after = said(host, name, **more), said(host, f"{name}-opened", **more)
    assert after == ([], [])
    assert any(before) or (name, host) == ("firewalld", "vm1")


def test_many_sources_are_not_all_written_out() -> None:
    found, _notes = said("lvs1", "ufw", directors=1, vms=9)
    assert found[0].count("ufw allow") == 3
    assert found[0].endswith("; and the same from 6 more.")


@pytest.mark.parametrize(
    "variables", [{"mesh_vip": ""}, {"mesh_vip": "2001:db8::1"}, {"mesh_exposed_services": [{"name": "x"}]}]
)
def test_a_site_that_is_not_usable_asks_nothing_that_is_not(variables: dict[str, Any]) -> None:
    site = parsed(directors=1, **variables)
    assert [
        item for host in ("lvs1", "node1", "vm1") for item in traffic(site, host) if item["name"] == "exposed"
    ] == []


def test_a_chain_that_iptables_cannot_use() -> None:
    (note,) = firewalls.notes(parsed(), {"vm1": {"packet_filter": {**EMPTY, "clashes": ["ip nat PREROUTING"]}}})
    assert note.startswith("vm1: its chain ip nat PREROUTING has a name of iptables' own and another priority")


def test_a_host_that_was_not_looked_at() -> None:
    assert firewalls.findings(parsed(), {"vm1": {"unreachable": True}}) == []
    assert firewalls.notes(parsed(), {"stranger": {"packet_filter": EMPTY}}) == []
