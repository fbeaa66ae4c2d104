# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that are asked for a service end to end: from which address, through which of them, and what is wrong with that
address. Pure. Private to the collection."""

from __future__ import annotations

import ipaddress
import ssl
import typing as t

from ..._host.addresses import Address, Place, home_of, parse
from ..._host.errors import HostError
from ..._ipvs import options, watch
from ..._ipvs.ask import MOST_NODES, Asking
from . import layout
from .model import Seen, Wanted

ADDRESS = "director_health_address"


def asking(wanted: Wanted) -> Asking:
    """How the watcher is told to ask."""
    if not wanted.end_to_end:
        return Asking(wanted.health_port, wanted.health_path)
    return Asking(
        wanted.health_port,
        wanted.health_path,
        source=str(wanted.health_address),
        through=watch.nodes(options.parse_services(list(wanted.services))),
        tls=_tls(wanted),
        roots=layout.HEALTH_ROOTS,
        dns_name=wanted.health_dns_name,
    )


def _tls(wanted: Wanted) -> dict[int, str]:
    """Of the ports with TLS those that are there."""
    listed = options.parse_services(list(wanted.services))
    there = {one.service.key.port for one in listed if not one.service.key.fwmark}
    return {port: name for port, name in wanted.health_tls.items() if port in there}


def prefix(places: t.Iterable[Place], device: str, address: Address) -> int:
    """Of the subnet that the address is in."""
    lengths = [
        place.prefix
        for place in places
        if place.interface == device
        and place.prefix < address.max_prefixlen
        and address in ipaddress.ip_network(f"{place.address}/{place.prefix}", strict=False)
    ]
    return max(lengths, default=address.max_prefixlen)


class Use(t.NamedTuple):
    """What is known of the address that services are asked from."""

    vip: str
    # As it was given.
    address: str
    # The interface that holds the virtual address, all addresses of the director, and who answers for this one.
    device: str
    places: t.Sequence[Place]
    claimed_by: t.Sequence[str] = ()
    # Addresses of the site's hosts, with what they are.
    taken: t.Mapping[str, str] = {}


def address_problems(host: str, use: Use) -> list[str]:
    """Why services cannot be asked from an address, with the way out."""
    remedy = f"Set {ADDRESS} of {host} to a free address in the subnet of {use.vip}, another one for each director"
    if not use.address:
        reason = "services are asked from an address of its own through each node"
        return [f"{ADDRESS} of {host} is not set, and with director_health_check: end_to_end {reason}. {remedy}."]
    what = f"{ADDRESS} of {host} is {use.address}"
    try:
        address = parse(use.address, f"{ADDRESS} of {host}")
    except HostError as exc:
        return [f"{exc} {remedy}."]
    owner = use.taken.get(str(address)) or ("the virtual address" if str(address) == use.vip else "")
    if not owner and address in {place.address for place in use.places}:
        owner = f"an address of {host} itself"
    if owner:
        return [f"{what}, which is {owner}. {remedy}."]
    if use.device and use.device not in home_of(use.places, address):
        return [f"{what}, which is in no subnet of {use.device}, where {use.vip} is. {remedy}."]
    if use.claimed_by:
        return [
            f"{what}, and the host with the hardware address {', '.join(use.claimed_by)} answers for it on "
            f"{use.device}. {remedy}."
        ]
    return []


def problems(wanted: Wanted, seen: Seen, device: str) -> t.Iterator[str]:
    """Why nodes could not be asked end to end."""
    host = wanted.host
    taken = {one["address"]: f"the address of {one['name']}" for one in wanted.directors}
    taken.update((node, "the address of a node") for node in _nodes(wanted))
    address = str(wanted.health_address or "")
    yield from address_problems(host, Use(str(wanted.vip), address, device, seen.places, seen.claimed_by, taken))
    if seen.namespace and not seen.probe_unit.active:
        yield (
            f"{host} has a network namespace {layout.PROBE} that is not this role's. Take it away: "
            f"ip netns delete {layout.PROBE}"
        )
    if len(_nodes(wanted)) > MOST_NODES:
        yield (
            f"director_services has {len(_nodes(wanted))} real servers; end to end at most {MOST_NODES} can be asked. "
            "Set director_health_check: kube_proxy."
        )
    yield from _roots(wanted, seen)


def _nodes(wanted: Wanted) -> list[str]:
    return watch.nodes(options.parse_services(list(wanted.services)))


def _roots(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    if not _tls(wanted):
        return
    there = (seen.file(layout.HEALTH_ROOTS).content or b"").decode("utf-8", "replace")
    if not (wanted.health_roots or there):
        yield (
            "The root certificates are not known by which the control plane is asked with TLS: they could not be read "
            "from the Kubernetes API. Make mesh_kubeconfig reach it, give them as director_health_roots, or set "
            "director_health_tls: {} to ask without TLS."
        )
    elif wanted.health_roots:
        try:
            ssl.create_default_context(cadata=wanted.health_roots)
        except (ssl.SSLError, ValueError) as exc:
            yield f"director_health_roots are no certificates in PEM ({exc}). Give those of the control plane's root."
