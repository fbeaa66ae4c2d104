"""Where things are, and what the site looks like (topology.yml)."""

from __future__ import annotations

import functools
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

ROLES = ("director", "node", "vm")


def repo_root() -> Path:
    """The checkout that this package belongs to."""
    return Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """C: everything that is slow to make, safe to delete while the lab is down."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mesh-expansion"


def state_dir() -> Path:
    """S: one run's keys, logs, process ids and disks."""
    return cache_dir() / "lab"


def log_dir() -> Path:
    return state_dir() / "log"


def run_dir() -> Path:
    return state_dir() / "run"


def ssh_dir() -> Path:
    return state_dir() / "ssh"


def www_dir() -> Path:
    """What the package repository on the gateway serves."""
    return state_dir() / "www"


def admin_kubeconfig() -> Path:
    return state_dir() / "admin.kubeconfig"


def venv_python() -> str:
    """The tools' Python when it exists, else the one that runs now."""
    python = cache_dir() / "venv" / "bin" / "python"
    return str(python) if python.exists() else sys.executable


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    role: str
    nic: str
    netns: str | None
    """Name of the network namespace; None for the director, whose network stack is in its own kernel."""
    pod_cidr: str | None = None


@dataclass(frozen=True)
class Topology:
    netns: str
    bridge: str
    subnet: str
    gateway: str
    vip: str
    service_cidr: str
    pod_cidr: str
    cluster_domain: str
    cluster_dns: str
    upstream_dns: str
    api_port: int
    http_port: int
    hosts: tuple[Host, ...]

    @property
    def prefix_length(self) -> int:
        return ipaddress.ip_network(self.subnet).prefixlen

    def host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise LabError(f"no host {name!r} in the lab; there are: {known}")

    def with_role(self, *roles: str) -> list[Host]:
        return [host for host in self.hosts if host.role in roles]


def parse_topology(data: dict[str, Any]) -> Topology:
    """Build and check a topology from the parsed YAML document."""
    values = dict(data)
    netns = values["netns"]
    subnet = ipaddress.ip_network(values["subnet"])
    pods = ipaddress.IPv4Network(values["pod_cidr"])
    hosts: list[Host] = []
    for entry in values.pop("hosts"):
        if entry["role"] not in ROLES:
            raise LabError(f"topology: host {entry['name']}: role {entry['role']!r} is none of {', '.join(ROLES)}")
        if ipaddress.ip_address(entry["address"]) not in subnet:
            raise LabError(f"topology: host {entry['name']}: {entry['address']} is outside {subnet}")
        if entry["role"] == "node" and not ipaddress.IPv4Network(entry["pod_cidr"]).subnet_of(pods):
            raise LabError(f"topology: host {entry['name']}: {entry['pod_cidr']} is outside {pods}")
        own = None if entry["role"] == "director" else f"{netns}-{entry['name']}"
        hosts.append(Host(netns=own, **entry))
    for field in ("name", "address"):
        seen = [getattr(host, field) for host in hosts]
        if len(set(seen)) != len(seen):
            raise LabError(f"topology: two hosts share a {field}")
    return Topology(hosts=tuple(hosts), **values)


@functools.cache
def topology() -> Topology:
    path = Path(__file__).with_name("topology.yml")
    return parse_topology(yaml.safe_load(path.read_text(encoding="utf-8")))


def service_cidr() -> str:
    return topology().service_cidr


def pod_cidr() -> str:
    return topology().pod_cidr
