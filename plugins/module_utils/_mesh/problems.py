# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the values of a site: a sentence for each, with the way out. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from . import networks
from .exposure import ExposureError

if t.TYPE_CHECKING:
    from .site import Site

# What the profiles are made of: a list made of wrong ones would only repeat the complaint.
_OF_EXPOSURE = ("mesh_istio_namespace", "mesh_dns_namespace", "mesh_cluster_domain", "mesh_network", "mesh_revision")
_CHECKSUM = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]+|https?://\S+|file://\S+)")
_URL = re.compile(r"http://[A-Za-z0-9][-A-Za-z0-9.]*(:[0-9]{1,5})?(/\S*)?")
# As Go writes it.
_DURATION = re.compile(r"(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


class Problem(t.NamedTuple):
    """A value that cannot be used: the variable, and a sentence with the value and the way out."""

    variable: str
    text: str


def found(site: Site, known: t.Sequence[Problem]) -> list[Problem]:
    """On top of those that are known from reading the variables."""
    problems = [*known, *_addresses(site), *_names(site), *_upstream_dns(site), *_package(site), *_verification(site)]
    problems += [*_pruning(site), *_nodes(site)]
    if not {problem.variable for problem in problems} & set(_OF_EXPOSURE):
        problems += _exposed(site)
    return problems


def _addresses(site: Site) -> t.Iterator[Problem]:
    vip = networks.address(site.vip)
    if not site.vip:
        text = "not set. Set it to a free address in the director's subnet, on which the control plane will answer."
        yield Problem("mesh_vip", f"mesh_vip: {text}")
    elif vip is None or _unusable(site.vip):
        yield Problem(
            "mesh_vip",
            f"mesh_vip: {site.vip!r} is not a usable IPv4 address. Set it to a free address in the director's subnet.",
        )
        vip = None
    services = networks.network(site.service_cidr)
    if not site.service_cidr and site.needs_service_cidr():
        text = (
            "not set. Set it to the cluster's Service CIDR (--service-cluster-ip-range of "
            "kube-apiserver), for example 10.96.0.0/12."
        )
        yield Problem("mesh_service_cidr", f"mesh_service_cidr: {text}")
    elif site.service_cidr and services is None:
        text = f"{site.service_cidr!r} is not an IPv4 network. Write it as address/prefix, for example 10.96.0.0/12."
        yield Problem("mesh_service_cidr", f"mesh_service_cidr: {text}")
    pods = {value: networks.network(value) for value in site.pod_cidr}
    for value in (value for value, found in pods.items() if found is None):
        text = (
            f"{value!r} is not an IPv4 network. Write the cluster's pod network "
            "(--cluster-cidr), or leave the variable out."
        )
        yield Problem("mesh_pod_cidr", f"mesh_pod_cidr: {text}")
    dhcp = {value: networks.address_range(value) for value in site.dhcp_ranges}
    for value in (value for value, found in dhcp.items() if found is None):
        text = f"{value!r} is no range. Write first-last or a network, for example 192.168.0.100-192.168.0.199."
        yield Problem("mesh_dhcp_ranges", f"mesh_dhcp_ranges: {text}")
    known = networks.Networks(
        vip, services, [item for item in pods.values() if item], [item for item in dhcp.values() if item]
    )
    kinds = [("director", site.directors), ("node", site.nodes), ("VM", site.vms)]
    hosts = {name: (kind, networks.address(host.address)) for kind, found in kinds for name, host in found.items()}
    placed = {name: item for name, item in hosts.items() if item[1] is not None}
    yield from (Problem(*conflict) for conflict in networks.conflicts(known, placed))


def _unusable(value: str) -> bool:
    address = ipaddress.IPv4Address(value)
    return address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local


def _names(site: Site) -> t.Iterator[Problem]:
    for name, value in (("mesh_istio_namespace", site.istio_namespace), ("mesh_dns_namespace", site.dns_namespace)):
        if not _DNS_LABEL.fullmatch(value):
            yield Problem(name, f"{name}: {value!r} is not a namespace name. Use lower-case letters, digits and '-'.")
    if site.revision and not _DNS_LABEL.fullmatch(site.revision):
        text = f"{site.revision!r} is not the name of a revision. Set it to istiod's label istio.io/rev, or drop it."
        yield Problem("mesh_revision", f"mesh_revision: {text}")
    if site.network and not _LABEL_VALUE.fullmatch(site.network):
        text = (
            f"{site.network!r} cannot be a label's value. Use letters, digits, '-', '_' and '.', 63 at most, and a "
            "letter or digit first and last."
        )
        yield Problem("mesh_network", f"mesh_network: {text}")
    if site.label_network and not site.network:
        text = "true, but mesh_network is not set. Set mesh_network to the name that the pods' network shall have."
        yield Problem("mesh_label_network", f"mesh_label_network: {text}")
    for name, value in (("mesh_cluster_domain", site.cluster_domain), ("mesh_trust_domain", site.trust_domain)):
        if not all(_DNS_LABEL.fullmatch(label) for label in value.split(".")):
            yield Problem(
                name, f"{name}: {value!r} is not a domain name. Set it to the cluster's, for example cluster.local."
            )


def _upstream_dns(site: Site) -> t.Iterator[Problem]:
    name = "mesh_upstream_dns"
    if not isinstance(site.upstream_dns, (list, tuple)):
        yield Problem(
            name,
            f"{name}: {site.upstream_dns!r} is not a list. Write a list of addresses, or [] for the VM's present ones.",
        )
        return
    for server in site.upstream_dns:
        try:
            ipaddress.ip_address(str(server))
        except ValueError:
            yield Problem(name, f"{name}: {server!r} is not an IP address. Give name servers by address.")
        else:
            if str(server) == site.vip:
                text = "is mesh_vip, which answers cluster names only. Name the servers that resolve all other names."
                yield Problem(name, f"{name}: {server} {text}")


def _package(site: Site) -> t.Iterator[Problem]:
    if not site.sidecar_package:
        text = f"not set. Set it to the path on the control node, or the URL, of {site.generation.package}.deb."
        yield Problem("mesh_sidecar_package", f"mesh_sidecar_package: {text}")
    if site.sidecar_checksum and not _CHECKSUM.fullmatch(site.sidecar_checksum):
        text = (
            f"{site.sidecar_checksum!r} is not a checksum. Write algorithm:value, for example sha256: with 64 "
            "hexadecimal digits, or sha256: with the URL of a checksum file."
        )
        yield Problem("mesh_sidecar_checksum", f"mesh_sidecar_checksum: {text}")


def _verification(site: Site) -> t.Iterator[Problem]:
    if site.server and not _URL.fullmatch(site.server):
        text = f"{site.server!r} is no URL of a Service. Write it as http://NAME.NAMESPACE:PORT/, or leave it out."
        yield Problem("mesh_verify_server", f"mesh_verify_server: {text}")
    if site.certificate_ttl and not _DURATION.fullmatch(site.certificate_ttl):
        text = f"{site.certificate_ttl!r} is no duration. Write hours, minutes and seconds, such as 72h or 1h30m."
        yield Problem("mesh_certificate_ttl", f"mesh_certificate_ttl: {text}")
    if not site.report_path.endswith(".html"):
        text = f"{site.report_path!r} does not end with .html. Name a file that does; beside it goes one with .json."
        yield Problem("mesh_report_path", f"mesh_report_path: {text}")


def _pruning(site: Site) -> t.Iterator[Problem]:
    if not _DURATION.fullmatch(site.prune_after):
        text = f"{site.prune_after!r} is no duration. Write hours, minutes and seconds, such as 24h or 1h30m."
        yield Problem("mesh_prune_after", f"mesh_prune_after: {text}")
    if not re.fullmatch("[0-9]{1,6}", site.prune_max):
        text = f"{site.prune_max!r} is no number of VMs. Write how many may go in one run, such as 5."
        yield Problem("mesh_prune_max", f"mesh_prune_max: {text}")


def _nodes(site: Site) -> t.Iterator[Problem]:
    if site.nodes_unmanaged and not site.nodes_from_cluster:
        text = "true, but mesh_nodes_from_cluster is not. Set that to true as well, or drop mesh_nodes_unmanaged."
        yield Problem("mesh_nodes_unmanaged", f"mesh_nodes_unmanaged: {text}")


def seconds(duration: str) -> int:
    """Of one that is right."""
    parts = re.findall("([0-9]+)([hms])", duration)
    return sum(int(number) * {"h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)


def _exposed(site: Site) -> t.Iterator[Problem]:
    name, both = "mesh_exposed_services", "mesh_exposed_services or mesh_exposed_overrides"
    try:
        exposed = site.exposed_services()
    except ExposureError as exc:
        yield Problem(name, f"{both}: {exc}. Correct the entry, or remove it to get the profile's own list.")
        return
    # Without the other hosts nobody forwards to them. A node without a host has no name that every run knows.
    known = [name for name in site.nodes if name not in site.real_servers.unmanaged]
    for entry in exposed if known else ():
        for node in (node for node in entry["nodes"] if node not in known):
            text = f"{entry['name']} names the node {node!r}. Name hosts of k8s_nodes: {', '.join(known)}."
            yield Problem(name, f"{both}: {text}")
