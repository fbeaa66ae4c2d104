"""Where things are, and what the site looks like: topology.yml in the shape of the lab."""

from __future__ import annotations

import functools
import ipaddress
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import shape as shapes
from lab.debian import RELEASES, Release
from lab.errors import LabError
from lab.shape import POOLS, Shape

ROLES = tuple(POOLS)
SHAPE_KEYS = ("pools", "debian", "kubernetes", "generation", "kube_proxy_mode")


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


def venv() -> Path:
    """The Python environment of the tools; `make platforms` has another one."""
    named = os.environ.get("MESH_EXPANSION_VENV")
    return Path(named) if named else cache_dir() / "venv"


def venv_python() -> str:
    """The tools' Python when it exists, else the one that runs now."""
    python = venv() / "bin" / "python"
    return str(python) if python.exists() else sys.executable


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    role: str
    nic: str
    netns: str | None
    """Name of the network namespace; None for a director, whose network stack is in its own kernel."""
    pod_cidr: str | None = None
    spare: bool = False
    """A VM that site.yml does not join."""


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


def parse_topology(data: Mapping[str, Any], wanted: Shape) -> Topology:
    """Build and check the topology of a shape from the parsed YAML document."""
    values = {name: value for name, value in data.items() if name not in SHAPE_KEYS}
    hosts = tuple(host for role in ROLES for host in _pool(data, role, wanted))
    for field in ("name", "address"):
        seen = [getattr(host, field) for host in hosts]
        if len(set(seen)) != len(seen):
            raise LabError(f"topology: two hosts share a {field}")
    return Topology(hosts=hosts, **values)


def _pool(data: Mapping[str, Any], role: str, wanted: Shape) -> Iterator[Host]:
    pool, count = data["pools"][role], getattr(wanted, POOLS[role])
    subnet, pods = ipaddress.IPv4Network(data["subnet"]), ipaddress.IPv4Network(data["pod_cidr"])
    taken = {ipaddress.IPv4Address(data[name]) for name in ("gateway", "vip")}
    address = ipaddress.IPv4Address(pool["address"])
    for number in range(1, count + 1):
        name = _name(pool["name"], number)
        while address in taken:
            address += 1
        if address not in subnet:
            raise LabError(f"topology: host {name}: {address} is outside {subnet}")
        yield Host(
            name=name,
            address=str(address),
            role=role,
            nic=pool["nic"],
            netns=None if role == "director" else f"{data['netns']}-{name}",
            pod_cidr=_pod_network(pods, name, number) if role == "node" else None,
            spare=role == "vm" and number > count - wanted.spare,
        )
        address += 1


def _name(pattern: str, number: int) -> str:
    name = pattern.format(n=number)
    return name if number == 1 or name != pattern else f"{pattern}{number}"


def _pod_network(pods: ipaddress.IPv4Network, name: str, number: int) -> str:
    own = ipaddress.IPv4Network((int(pods.network_address) + 256 * number, 24))
    if not own.subnet_of(pods):
        raise LabError(f"topology: host {name}: {own} is outside {pods}")
    return str(own)


@functools.cache
def document() -> dict[str, Any]:
    """topology.yml."""
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("topology.yml").read_text(encoding="utf-8"))
    return data


@functools.cache
def default_shape() -> Shape:
    found = shapes.default(document())
    shapes.check(found, document())
    return found


def shape_file() -> Path:
    return state_dir() / "shape.json"


_used: Shape | None = None


def shape() -> Shape:
    """The shape of the lab: the recorded one, from `up` to `down`."""
    if _used is None:
        use(shapes.load(shape_file()) or default_shape())
    assert _used is not None
    return _used


def use(wanted: Shape) -> None:
    """For this process the lab has this shape."""
    global _used
    _used = wanted
    topology.cache_clear()


def record(wanted: Shape) -> None:
    """From now on the lab has this shape, for this process and all later ones."""
    shapes.save(shape_file(), wanted)
    use(wanted)


def release() -> Release:
    """The release of Debian that the hosts of the lab are."""
    return RELEASES[shape().debian]


@functools.cache
def topology() -> Topology:
    """The site in the shape of the lab."""
    return parse_topology(document(), shape())


def largest_topology() -> Topology:
    """Every host that a lab can have."""
    return parse_topology(document(), shapes.largest(document()))
