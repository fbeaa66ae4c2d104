"""The site's network: one bridge in a network namespace of its own, a veth or tap for each host.

Nothing is created in the machine's own network namespace.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from lab import config, proc
from lab.config import Host, Topology

_OFFLOADS = ("tx", "rx", "tso", "gso", "gro", "sg")
_SYSCTLS = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.send_redirects": "0", "net.ipv4.conf.all.rp_filter": "0"}


def port_name(host: Host) -> str:
    """The bridge port of a host (15 characters at most)."""
    kind = "tap" if host.role == "director" else "v"
    return f"{kind}-{host.name}"[:15]


def mac(address: str) -> str:
    """A locally administered hardware address made of an IPv4 address."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def _ip(netns: str, *words: str) -> None:
    proc.run(["ip", "-n", netns, *words])


def _links(netns: str) -> dict[str, Any]:
    listed = json.loads(proc.run(["ip", "-n", netns, "-j", "link", "show"]).stdout or "[]")
    return {link["ifname"]: link for link in listed}


def without_offloads(netns: str, device: str) -> None:
    """User-Mode Linux drops segments that were left for hardware to cut or to checksum."""
    switches = [word for feature in _OFFLOADS for word in (feature, "off")]
    proc.run(["ethtool", "-K", device, *switches], netns=netns)


def network_up() -> None:
    """Make what is missing; changes nothing when the network is complete."""
    site = config.topology()
    _namespace(site.netns)
    for name, value in _SYSCTLS.items():
        proc.run(["sysctl", "-q", "-w", f"{name}={value}"], netns=site.netns)
    links = _links(site.netns)
    if site.bridge not in links:
        _ip(site.netns, "link", "add", site.bridge, "type", "bridge", "stp_state", "0", "mcast_snooping", "0")
        # A fixed address: a bridge otherwise takes the lowest of its ports', which changes when hosts come and go.
        _ip(site.netns, "link", "set", site.bridge, "address", mac(site.gateway), "up")
        without_offloads(site.netns, site.bridge)
    _ip(site.netns, "address", "replace", f"{site.gateway}/{site.prefix_length}", "dev", site.bridge)
    _ip(site.netns, "address", "replace", f"{site.upstream_dns}/32", "dev", "lo")
    for cidr in (site.service_cidr, site.pod_cidr):
        _ip(site.netns, "route", "replace", "unreachable", cidr)
    for host in site.hosts:
        _port(site, host, exists=port_name(host) in links)


def _namespace(name: str) -> None:
    if not proc.netns_path(name).exists():
        proc.run(["ip", "netns", "add", name])
    _ip(name, "link", "set", "lo", "up")


def _port(site: Topology, host: Host, exists: bool) -> None:
    port = port_name(host)
    if host.netns is not None:
        _namespace(host.netns)
        exists = exists and host.nic in _links(host.netns)
    if exists:
        return
    if host.netns is None:
        _ip(site.netns, "tuntap", "add", port, "mode", "tap")
    else:
        if port in _links(site.netns):
            _ip(site.netns, "link", "delete", port)
        _ip(site.netns, "link", "add", port, "type", "veth", "peer", "name", host.nic, "netns", host.netns)
        without_offloads(host.netns, host.nic)
    _ip(site.netns, "link", "set", port, "master", site.bridge, "up")
    without_offloads(site.netns, port)


def namespaces() -> list[str]:
    """All network namespaces of the lab that exist, also pods' (their names begin with the lab's)."""
    base = config.topology().netns
    directory = proc.netns_path(base).parent
    names = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    return [name for name in names if name == base or name.startswith(f"{base}-")]


def network_down() -> None:
    """Delete all of the lab's namespaces; the interfaces inside go with them."""
    for name in reversed(namespaces()):
        proc.run(["ip", "netns", "delete", name])
