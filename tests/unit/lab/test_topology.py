"""The site's description and the files made of it."""

from __future__ import annotations

import copy
import ipaddress
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import config
from lab.errors import LabError
from lab.hosts import files, leftovers, network, remote

DATA: dict[str, Any] = yaml.safe_load((config.repo_root() / "lab" / "topology.yml").read_text(encoding="utf-8"))


def test_hosts_of_a_role() -> None:
    site = config.parse_topology(DATA)
    assert [host.name for host in site.with_role("node")] == ["k8s-node1", "k8s-node2", "k8s-node3"]
    assert site.host("director").netns is None
    assert site.host("deb-nginx01").netns == "mesh-lab-deb-nginx01"


def test_parsing_does_not_change_its_input() -> None:
    before = copy.deepcopy(DATA)
    config.parse_topology(DATA)
    assert before == DATA


def test_unknown_host_names_the_known_ones() -> None:
    with pytest.raises(LabError, match="no host 'web'.*deb-nginx02"):
        config.parse_topology(DATA).host("web")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": "router"}, "role 'router'"),
        ({"address": "10.0.0.1"}, "outside 192.168.0.0/24"),
        ({"name": "director"}, "share a name"),
        ({"address": "192.168.0.61"}, "share a address"),
        ({"pod_cidr": "10.250.1.0/24"}, "outside 10.244.0.0/16"),
    ],
)
def test_contradictions_are_refused(change: dict[str, str], message: str) -> None:
    data = copy.deepcopy(DATA)
    data["hosts"][1].update(change)
    with pytest.raises(LabError, match=message):
        config.parse_topology(data)


def test_pod_networks_do_not_overlap() -> None:
    nodes = config.topology().with_role("node")
    networks = [ipaddress.ip_network(str(node.pod_cidr)) for node in nodes]
    assert not any(one.overlaps(other) for one in networks for other in networks if one is not other)


def test_port_names_fit_and_differ() -> None:
    names = [network.port_name(host) for host in config.topology().hosts]
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
    hosts = config.topology().hosts
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
