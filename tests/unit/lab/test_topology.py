"""The site's description and the files made of it."""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
from pathlib import Path
from typing import Any

import pytest

from lab import config
from lab.errors import LabError
from lab.hosts import files, leftovers, network, remote

DATA: dict[str, Any] = config.document()
SHAPE = config.default_shape()


def test_hosts_of_the_default_shape() -> None:
    hosts = config.parse_topology(DATA, SHAPE).hosts
    described = [(h.name, h.role, h.address, h.nic, h.pod_cidr, h.spare) for h in hosts]
    assert described == [
        ("director", "director", "192.168.0.61", "vec0", None, False),
        ("k8s-node1", "node", "192.168.0.71", "eth0", "10.244.1.0/24", False),
        ("k8s-node2", "node", "192.168.0.72", "eth0", "10.244.2.0/24", False),
        ("k8s-node3", "node", "192.168.0.73", "eth0", "10.244.3.0/24", False),
        ("deb-nginx01", "vm", "192.168.0.81", "eth0", None, False),
        ("deb-nginx02", "vm", "192.168.0.82", "eth0", None, True),
    ]


def test_hosts_of_the_largest_shape() -> None:
    site = config.largest_topology()
    directors, nodes, vms = ([(host.name, host.address) for host in site.with_role(role)] for role in config.ROLES)
    # .62 is the VIP.
    assert directors == [
        ("director", "192.168.0.61"),
        ("director2", "192.168.0.63"),
        ("director3", "192.168.0.64"),
        ("director4", "192.168.0.65"),
    ]
    assert nodes == [(f"k8s-node{n}", f"192.168.0.{70 + n}") for n in range(1, 10)]
    assert vms == [(f"deb-nginx{n:02}", f"192.168.0.{80 + n}") for n in range(1, 17)]


def test_hosts_of_a_role() -> None:
    site = config.parse_topology(DATA, SHAPE)
    assert [host.name for host in site.with_role("node")] == ["k8s-node1", "k8s-node2", "k8s-node3"]
    assert site.host("director").netns is None
    assert site.host("deb-nginx01").netns == "mesh-lab-deb-nginx01"


def test_parsing_does_not_change_its_input() -> None:
    before = copy.deepcopy(DATA)
    config.parse_topology(DATA, SHAPE)
    assert before == DATA


def test_unknown_host_names_the_known_ones() -> None:
    with pytest.raises(LabError, match="no host 'web'.*deb-nginx02"):
        config.parse_topology(DATA, SHAPE).host("web")


@pytest.mark.parametrize(
    ("role", "change", "message"),
    [
        ("node", {"address": "10.0.0.1"}, "k8s-node1: 10.0.0.1 is outside 192.168.0.0/24"),
        ("vm", {"address": "192.168.0.254"}, "deb-nginx03: 192.168.1.0 is outside"),
        ("node", {"name": "director"}, "share a name"),
        ("vm", {"address": "192.168.0.71"}, "share a address"),
    ],
)
def test_contradictions_are_refused(role: str, change: dict[str, str], message: str) -> None:
    data = copy.deepcopy(DATA)
    data["pools"][role].update(change)
    with pytest.raises(LabError, match=message):
        config.parse_topology(data, dataclasses.replace(SHAPE, vms=3))


def test_a_pod_network_outside_the_pods_is_refused() -> None:
    with pytest.raises(LabError, match="k8s-node2: 10.244.2.0/24 is outside 10.244.0.0/23"):
        config.parse_topology({**DATA, "pod_cidr": "10.244.0.0/23"}, SHAPE)


def test_pod_networks_do_not_overlap() -> None:
    nodes = config.largest_topology().with_role("node")
    networks = [ipaddress.ip_network(str(node.pod_cidr)) for node in nodes]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)


def test_port_names_fit_and_differ() -> None:
    names = [network.port_name(host) for host in config.largest_topology().hosts]
    assert all(len(name) <= 15 for name in names)
    assert len(set(names)) == len(names)


def test_hardware_address_is_made_of_the_address() -> None:
    assert network.mac("192.168.0.61") == "02:00:c0:a8:00:3d"


def test_host_files() -> None:
    site = config.topology()
    vm = files.host_files(site.host("deb-nginx01"), site)
    assert vm["etc/resolv.conf"] == "nameserver 114.114.114.114\n"
    assert "192.168.0.81 deb-nginx01\n" in vm["etc/hosts"]
    assert "ADDRESS=192.168.0.81/24\n" in vm["etc/mesh-lab.conf"]
    assert "listen 9080" in vm["etc/nginx/sites-available/default"]
    assert not any("nginx" in name for name in files.host_files(site.host("director"), site))


def test_machine_ids_differ_and_last() -> None:
    hosts = config.largest_topology().hosts
    assert len({files.machine_id(host) for host in hosts}) == len(hosts)
    assert files.machine_id(hosts[0]) == files.machine_id(hosts[0])


def test_remote_words_are_quoted() -> None:
    assert remote.quote(["echo a; echo b"]) == "echo a; echo b"
    assert remote.quote(["echo", "a b", "*"]) == "echo 'a b' '*'"


def test_client_configuration_checks_host_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    text = remote.client_config()
    assert "StrictHostKeyChecking yes" in text
    assert f"UserKnownHostsFile {tmp_path}/mesh-expansion/lab/ssh/known_hosts" in text


def test_mounts_of_the_lab_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    line = "36 35 98:0 / {} rw,noatime shared:1 - ext4 /dev/vda rw\n"
    own = f"{tmp_path}/mesh-expansion/lab/etcd"
    other = "/home/a\\040b/.cache/mesh-expansion/lab/hosts/vm/root"
    points = leftovers.mount_points("".join(line.format(point) for point in ("/", own, other, "/srv/lab/x")))
    assert points == [own, "/home/a b/.cache/mesh-expansion/lab/hosts/vm/root"]
