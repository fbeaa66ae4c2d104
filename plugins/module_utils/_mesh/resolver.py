# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""What a VM's resolver needs to know about the mesh: dnsmasq's options, resolv.conf, hosts. Pure: text in, text out."""

from __future__ import annotations

import ipaddress
import re
import typing as t


class ResolverError(ValueError):
    """The values given do not make a usable resolver configuration."""


def _mesh_names(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """All short names, then the same with their namespace, in the order of the service list."""
    pairs = [(name, entry["namespace"]) for entry in services for name in entry.get("dns_names") or []]
    return [name for name, dummy in pairs] + [f"{name}.{namespace}" for name, namespace in pairs]


def _zones(services: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    return [entry["dns_zone"] for entry in services if entry.get("dns_zone")]


def kubedns_lines(services: t.Sequence[t.Mapping[str, t.Any]], vip: str) -> list[str]:
    """The file C(kubedns) of the reference procedure:
    the cluster's zone, and the names that answer with the virtual IP."""
    address = ipaddress.ip_address(vip)
    zones, names = _zones(services), _mesh_names(services)
    if not zones:
        raise ResolverError(
            "no exposed service has a dns_zone: expose the cluster's DNS, or cluster names cannot be resolved"
        )
    return [f"server=/{zone}/{address}" for zone in zones] + [f"address=/{name}/{address}" for name in names]


def dnsmasq_lines(
    services: t.Sequence[t.Mapping[str, t.Any]],
    vip: str,
    service_cidr: str,
    upstreams: t.Sequence[str],
    listen_address: str,
) -> list[str]:
    """Our own dnsmasq options, beside C(kubedns)."""
    address = ipaddress.ip_address(vip)
    network = ipaddress.ip_network(service_cidr)
    if not upstreams:
        raise ResolverError("no upstream name server is known: list at least one, other names could not be resolved")
    lines = [f"listen-address={ipaddress.ip_address(listen_address)}", "bind-interfaces", "no-resolv"]
    for upstream in upstreams:
        if str(upstream) == listen_address:
            raise ResolverError(f"upstream name server {upstream} is dnsmasq itself: queries would loop")
        lines.append(f"server={upstream}")
    # Without this, dnsmasq asks the upstreams for the other record types (AAAA) of names that it has an address for.
    lines += [f"local=/{name}/" for name in _mesh_names(services)]
    # Names of cluster addresses are known to the cluster's DNS only.
    lines.append(f"rev-server={network},{address}")
    return lines


def named(resolv_conf: str) -> list[str]:
    """The name servers of a resolv.conf as they stand there."""
    return re.findall(r"^\s*nameserver\s+(\S+)", resolv_conf, re.MULTILINE)


def nameservers(resolv_conf: str) -> list[str]:
    """The name servers of a resolv.conf, without those on a loopback address: they are local forwarders."""
    result = []
    for value in named(resolv_conf):
        try:
            # A link-local server carries its interface as a zone, which dnsmasq understands.
            loopback = ipaddress.ip_address(value.split("%", 1)[0]).is_loopback
        except ValueError:
            continue
        if not loopback and value not in result:
            result.append(value)
    return result


def resolv_conf(original: str, servers: t.Sequence[str], note: str) -> str:
    """A resolv.conf with these name servers and the search list and options of the original."""
    kept = [line.strip() for line in original.splitlines() if re.match(r"\s*(search|domain|options|sortlist)\s", line)]
    return "\n".join([f"# {note}", *kept, *(f"nameserver {server}" for server in servers)]) + "\n"


def _is_loopback4(value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network("127.0.0.0/8")
    except (ValueError, TypeError):
        return False


def hosts_entry(original: str, address: str, hostname: str) -> str:
    """A hosts file in which the host name means this address.

    The resolver takes the first line that has the name, and Debian's installer gives the name to 127.0.1.1: it is taken
    off IPv4 loopback lines. Names that stood beside it there, as the full one, move along with it.
    """
    wanted = str(ipaddress.ip_address(address))
    lines, moved, present = [], [], False
    for line in original.splitlines():
        words = line.split("#", 1)[0].split()
        if words and words[0] == wanted and hostname in words[1:]:
            present = True
        elif words and _is_loopback4(words[0]) and hostname in words[1:]:
            others = [name for name in words[1:] if name != hostname]
            if words[0] != "127.0.0.1":
                moved += others
                continue
            if others:
                lines.append(f"{words[0]} {' '.join(others)}")
            continue
        lines.append(line)
    if not present:
        lines.append(" ".join([wanted, *dict.fromkeys([*moved, hostname])]))
    return "\n".join(lines) + "\n"


def hosts_restored(current: str, written: str, original: str) -> str:
    """The hosts file without our changes and with those that others made since:
    our lines go, lines that we took out return."""
    before, ours, result = original.splitlines(), written.splitlines(), []
    added = [line for line in ours if line not in before]
    for line in current.splitlines():
        if line in added:
            added.remove(line)
        else:
            result.append(line)
    return "\n".join([*result, *(line for line in before if line not in ours and line not in result)]) + "\n"
