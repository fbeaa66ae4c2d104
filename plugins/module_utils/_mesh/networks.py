# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks and addresses of a site exclude each other. On the control node only: it has netaddr.
Private to the collection."""

from __future__ import annotations

import traceback
import typing as t

from .errors import MeshError

try:
    import netaddr

    NETADDR_IMPORT_ERROR: str | None = None
except ImportError:
    NETADDR_IMPORT_ERROR = traceback.format_exc()


def network(value: t.Any) -> t.Any:
    """The IPv4 network, or None. Host bits must be zero: they tell that the wrong prefix length was written."""
    try:
        parsed = netaddr.IPNetwork(str(value), version=4)
    except (netaddr.AddrFormatError, ValueError):
        return None
    return parsed if "/" in str(value) and parsed.ip == parsed.network else None


def address(value: t.Any) -> t.Any:
    """The IPv4 address, or None."""
    try:
        return netaddr.IPAddress(str(value), version=4, flags=netaddr.INET_PTON)
    except (netaddr.AddrFormatError, ValueError):
        return None


def address_range(value: t.Any) -> t.Any:
    """A set from C(first-last) or a network; None when it is neither."""
    first, dash, last = (part.strip() for part in str(value).partition("-"))
    try:
        return netaddr.IPSet(netaddr.IPRange(first, last) if dash else netaddr.IPNetwork(first))
    except (netaddr.AddrFormatError, ValueError):
        return None


def require() -> None:
    if NETADDR_IMPORT_ERROR is not None:
        raise MeshError("the Python library netaddr is missing on the control node. Install it: pip install netaddr")


class Networks(t.NamedTuple):
    """What a site says of its networks; each of it may be missing."""

    vip: t.Any
    services: t.Any
    pods: t.Sequence[t.Any]
    dhcp: t.Sequence[t.Any]


def conflicts(networks: Networks, hosts: t.Mapping[str, tuple[str, t.Any]]) -> t.Iterator[tuple[str, str]]:
    """Variable and sentence of each conflict; C(hosts) gives kind and address by name."""
    pods = netaddr.IPSet(networks.pods)
    services = netaddr.IPSet([networks.services] if networks.services is not None else [])
    for shared in (pods & services).iter_cidrs():
        yield (
            "mesh_pod_cidr",
            (
                f"mesh_pod_cidr: {shared} is in mesh_service_cidr {networks.services} as well. Give each the "
                "value that the cluster was set up with (--cluster-cidr, --service-cluster-ip-range)."
            ),
        )
    vip = networks.vip
    if vip is not None:
        if vip in services:
            yield (
                "mesh_vip",
                (
                    f"mesh_vip: {vip} lies in mesh_service_cidr {networks.services}, whose addresses only nodes "
                    "understand. Choose an address outside of it."
                ),
            )
        if vip in pods:
            yield (
                "mesh_vip",
                (
                    f"mesh_vip: {vip} lies in mesh_pod_cidr, so nodes would look for a pod. "
                    "Choose an address outside of it."
                ),
            )
        if any(vip in leased for leased in networks.dhcp):
            yield (
                "mesh_vip",
                (
                    f"mesh_vip: {vip} lies in mesh_dhcp_ranges, so another host may get it. "
                    "Choose an address outside of them."
                ),
            )
    for name, (kind, host) in hosts.items():
        for where, variable in ((pods, "mesh_pod_cidr"), (services, "mesh_service_cidr")):
            if host in where:
                yield (
                    variable,
                    (
                        f"{name}: its address {host} lies in {variable}, so the cluster would not send packets "
                        f"for it to this {kind}. Correct {variable}, or the address of {name}."
                    ),
                )
