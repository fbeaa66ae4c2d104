# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would make a run fail: the site's variables, the hosts, the cluster. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..networks import address
from ..site import Site
from . import become, firewalls
from .cluster import backend, cluster_findings
from .directors import director_findings
from .hosts import Looks, Rules, host_findings
from .skew import findings as skew_findings


def findings(site: Site, looks: Looks, cluster: t.Mapping[str, t.Any], rules: Rules) -> list[str]:
    """Everything that would make the run fail, each line once, the site's variables first."""
    variables = [problem.text for problem in site.problems]
    hosts = [
        *become.findings(looks),
        *host_findings(site, looks, rules, backend(site, cluster)),
        *director_findings(site, looks, rules),
        *firewalls.findings(site, looks),
        *skew_findings(site, looks, cluster.get("documents") or []),
    ]
    return list(dict.fromkeys([*variables, *_groups(site), *hosts, *cluster_findings(site, cluster)]))


def _groups(site: Site) -> t.Iterator[str]:
    """Hosts of the inventory that exclude each other, and groups that lack one."""
    directors, nodes = list(site.directors), list(site.nodes)
    if not directors:
        yield "inventory group director: it has no hosts. Put one host in it, or several that take each other's place."
    if not nodes:
        yield (
            "inventory group k8s_nodes: it has no hosts. Put the nodes in it that shall take the forwarded connections."
        )
    for name in sorted(set(directors) & set(nodes)):
        yield (
            f"inventory group director: {name} is also in k8s_nodes, and kube-proxy on it would take the packets "
            "before IPVS sees them. Use a machine of its own as director."
        )
    yield from site.real_servers.refused
    yield from _addresses(site)


def _addresses(site: Site) -> t.Iterator[str]:
    vip = address(site.vip)
    owners: dict[str, str] = {}
    for name, host in site.hosts.items():
        own = address(host.address)
        if own is None:
            yield f"{name}: its address {host.address!r} {_unfit(host.address)}"
            continue
        if vip is not None and own == vip:
            yield (
                f"mesh_vip: {vip} is the address of {name} in group {_group(site, name)}. "
                "Choose an address that no host has; the director takes it in addition to its own."
            )
        other = owners.setdefault(str(own), name)
        if other != name and "director" in (_group(site, name), _group(site, other)):
            yield (
                f"inventory group director: {other} and {name} have the same address {own}, so the director would be "
                "a node or VM as well. Use a machine of its own as director."
            )


def _unfit(value: str) -> str:
    if ":" in value:
        return (
            "is an IPv6 address, and the site is one of IPv4: the director forwards IPv4 only. Give the host an IPv4 "
            "address, and set mesh_vm_address or ansible_host to it."
        )
    return "is not an IPv4 address. Set ansible_host to its address."


def _group(site: Site, name: str) -> str:
    return "director" if name in site.directors else "k8s_nodes" if name in site.nodes else "vms"
