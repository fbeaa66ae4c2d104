# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about the site's variables. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ..exposure import ExposureError, exposed_services

Site = t.Mapping[str, t.Any]

_CHECKSUM = re.compile(r"(md5|sha1|sha224|sha256|sha384|sha512):([0-9a-fA-F]+|https?://\S+|file://\S+)")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def ipv4(value: t.Any) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(str(value))
    except ValueError:
        return None


def network(value: t.Any) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(str(value))
    except ValueError:
        return None


def site_findings(site: Site) -> list[str]:
    """Missing and malformed variables, each with its name, its value and the way out."""
    found = [
        *_vip(site),
        *_service_cidr(site),
        *_choices(site),
        *_names(site),
        *_upstream_dns(site),
        *_package(site),
        *_groups(site),
    ]
    try:
        exposed_services(
            str(site.get("profile")),
            overrides=site.get("overrides") or {},
            services=site.get("exposed_services") or [],
        )
    except ExposureError as exc:
        if site.get("profile") in ("secure", "reference"):
            found.append(f"mesh_exposed_services or mesh_exposed_overrides: {exc}. Correct the entry, or remove it to get the profile's own list.")
    return found


def _vip(site: Site) -> t.Iterator[str]:
    value = site.get("vip")
    if value in (None, ""):
        yield "mesh_vip: not set. Set it to a free address in the director's subnet, on which the control plane will answer."
        return
    address = ipv4(value)
    if address is None or address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        yield f"mesh_vip: {value!r} is not a usable IPv4 address. Set it to a free address in the director's subnet."
        return
    cidr = network(site.get("service_cidr"))
    if cidr is not None and address in cidr:
        yield (f"mesh_vip: {address} lies in mesh_service_cidr {cidr}, whose addresses only nodes understand. Choose an address outside of it.")


def _service_cidr(site: Site) -> t.Iterator[str]:
    value = site.get("service_cidr")
    if value in (None, ""):
        yield ("mesh_service_cidr: not set. Set it to the cluster's Service CIDR (--service-cluster-ip-range of kube-apiserver), for example 10.96.0.0/12.")
    elif network(value) is None:
        yield f"mesh_service_cidr: {value!r} is not an IPv4 network. Write it as address/prefix, for example 10.96.0.0/12."


def _choices(site: Site) -> t.Iterator[str]:
    generation = site.get("control_plane")
    if generation == "istiod":
        yield (
            "mesh_control_plane: 'istiod' is not supported by this version, only 'citadel' (Istio 1.0 to 1.4). Set "
            "mesh_control_plane: citadel if that is what the cluster runs."
        )
    elif generation != "citadel":
        yield f"mesh_control_plane: {generation!r} is not known. Set it to 'citadel', the only supported control plane."
    for name, key, values in (
        ("mesh_exposed_profile", "profile", ("secure", "reference")),
        ("mesh_control_plane_auth", "control_plane_auth", ("MUTUAL_TLS", "NONE")),
    ):
        if site.get(key) not in values:
            yield f"{name}: {site.get(key)!r} is not known. Set it to {' or '.join(repr(v) for v in values)}."


def _names(site: Site) -> t.Iterator[str]:
    for name, key in (("mesh_istio_namespace", "istio_namespace"), ("mesh_dns_namespace", "dns_namespace")):
        if not _DNS_LABEL.fullmatch(str(site.get(key))):
            yield f"{name}: {site.get(key)!r} is not a namespace name. Use lower-case letters, digits and '-'."
    for name, key in (("mesh_cluster_domain", "cluster_domain"), ("mesh_trust_domain", "trust_domain")):
        if not all(_DNS_LABEL.fullmatch(label) for label in str(site.get(key)).split(".")):
            yield f"{name}: {site.get(key)!r} is not a domain name. Set it to the cluster's, for example cluster.local."


def _upstream_dns(site: Site) -> t.Iterator[str]:
    servers = site.get("upstream_dns")
    if not isinstance(servers, (list, tuple)):
        yield f"mesh_upstream_dns: {servers!r} is not a list. Write a list of addresses, or [] for the VM's present ones."
        return
    for server in servers:
        try:
            ipaddress.ip_address(str(server))
        except ValueError:
            yield f"mesh_upstream_dns: {server!r} is not an IP address. Give name servers by address."
        else:
            if str(server) == str(site.get("vip")):
                yield (f"mesh_upstream_dns: {server} is mesh_vip, which answers cluster names only. Name the servers that resolve all other names.")


def _package(site: Site) -> t.Iterator[str]:
    if site.get("sidecar_package") in (None, ""):
        yield "mesh_sidecar_package: not set. Set it to the path on the control node, or the URL, of istio-sidecar.deb."
    checksum = site.get("sidecar_checksum")
    if checksum not in (None, "") and not _CHECKSUM.fullmatch(str(checksum)):
        yield (
            f"mesh_sidecar_checksum: {checksum!r} is not a checksum. Write algorithm:value, for example sha256: with 64 "
            "hexadecimal digits, or sha256: with the URL of a checksum file."
        )


def _groups(site: Site) -> t.Iterator[str]:
    groups = site.get("groups") or {}
    directors, nodes = list(groups.get("director") or []), list(groups.get("k8s_nodes") or [])
    if len(directors) != 1:
        yield f"inventory group director: it has {_hosts(directors)}. Put exactly one host in it."
    if not nodes:
        yield "inventory group k8s_nodes: it has no hosts. Put the nodes in it that shall take the forwarded connections."
    for name in sorted(set(directors) & set(nodes)):
        yield (
            f"inventory group director: {name} is also in k8s_nodes, and kube-proxy on it would take the packets before "
            "IPVS sees them. Use a machine of its own as director."
        )


def _hosts(names: list[str]) -> str:
    return ", ".join(names) if names else "no hosts"
