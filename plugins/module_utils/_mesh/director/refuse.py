# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would do harm, and is refused with the reason and the way out. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host.paths import FILE, PathState
from ..._ipvs.drain import address_of
from . import asking, keepalived, layout, model, texts
from .model import Seen, Wanted


def refusals(wanted: Wanted, seen: Seen) -> list[str]:
    """All reasons at once; none means that the director may be made."""
    if wanted.state != model.PRESENT:
        return []
    return list(_reasons(wanted, seen))


def _reasons(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    reason = _is_node(wanted, seen)
    if reason:
        yield f"{wanted.host} cannot be the director: {reason}. Use a host that is no Kubernetes node."
    devices = model.devices(wanted, seen)
    if not devices:
        yield (
            f"The virtual address {wanted.vip} is in no subnet of {wanted.host}: "
            "name the interface with director_interface, or the right host."
        )
    elif len(devices) > 1:
        yield (
            f"The virtual address {wanted.vip} is in the subnets of {', '.join(devices)} of {wanted.host}: "
            "name the interface with director_interface."
        )
    else:
        yield from _elsewhere(wanted, seen, devices[0])
        yield from asking.problems(wanted, seen, devices[0]) if wanted.end_to_end else ()
    yield from _keepalived(wanted, seen)
    yield from _cannot(wanted, seen)
    if ipvsadm_loads(seen.file(layout.IPVSADM)) and wanted.ipvsadm_boot != model.TAKEOVER:
        yield (
            f'{layout.IPVSADM} on {wanted.host} says AUTO="true": '
            "the package ipvsadm flushes the table when it starts and "
            "stops. Switch that off, or let the role do it with director_ipvsadm_boot: takeover."
        )


def _is_node(wanted: Wanted, seen: Seen) -> str:
    own = {place.address for place in seen.places}
    servers = [address_of(server["real_server"]) for one in wanted.services for server in one.get("real_servers") or []]
    local = [str(address) for address in dict.fromkeys(servers) if address in own]
    if local:
        return f"it is the real server {', '.join(local)}"
    if "kube-ipvs0" in seen.interfaces:
        return "it has the interface kube-ipvs0, and a kube-proxy in ipvs mode deletes services that are not its own"
    return ""


def _keepalived(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    """Whatever keepalived does that is not this role's doing."""
    conf = seen.file(layout.KEEPALIVED_CONF)
    foreign = conf.kind == FILE and not keepalived.is_ours(conf)
    replaced = wanted.uses_keepalived and (not foreign or wanted.keepalived == model.TAKEOVER)
    if wanted.uses_keepalived and not replaced:
        yield (
            f"{layout.KEEPALIVED_CONF} on {wanted.host} is not this role's. Take keepalived's configuration away "
            "there, or let the role replace it, and put it back on removal, with director_keepalived: takeover."
        )
        return
    ours = [layout.KEEPALIVED_CONF] if keepalived.is_ours(conf) or (foreign and replaced) else []
    naming = [path for path in seen.keepalived if path not in ours]
    if naming:
        yield (
            f"{', '.join(naming)} on {wanted.host} names {wanted.vip}: two writers of one table undo each "
            "other's work. Take the address out of keepalived, or use another one."
        )


def _cannot(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    """What a pair, or a check, could not be made of."""
    if wanted.vrrp:
        own = keepalived.own_address(wanted)
        if own is None:
            yield f"{wanted.host} is not among director_directors. Put it there, or set director_ha: none."
        elif own not in {place.address for place in seen.places}:
            yield (
                f"{wanted.host} does not have the address {own} that director_directors gives it. "
                "Set ansible_host to its address in the segment of the virtual address."
            )
        others = keepalived.peers(wanted)
        if not others:
            yield "director_ha is keepalived with one director. Add a second one, or set director_ha: none."
        strange = [str(address) for address in others if address.version != wanted.vip.version]
        if strange:
            yield f"{', '.join(strange)} is no address of the family of {wanted.vip}, which VRRP needs."
    for words in keepalived.unsupported(wanted.services) if wanted.checks else ():
        yield f"director_services: keepalived cannot do {words}. Leave it out, or set director_health: none."


def _elsewhere(wanted: Wanted, seen: Seen, device: str) -> t.Iterator[str]:
    right = f"{device}/{wanted.vip.max_prefixlen}"
    wrong = [str(place) for place in model.held_at(wanted, seen) if str(place) != right]
    if wrong:
        yield (
            f"{wanted.vip} is on {', '.join(wrong)} of {wanted.host}; it must be a host address on {right}. "
            "Remove it from the configuration that puts it there."
        )
    strangers = [mac for mac in seen.answered_by if mac not in seen.peers]
    if strangers:
        yield (
            f"The host with the hardware address {', '.join(strangers)} answers for {wanted.vip} on {device}. "
            "Use a free address, or remove it there (on a Kubernetes node in ipvs mode: set strictARP)."
        )


def ipvsadm_loads(state: PathState) -> bool:
    """Whether Debian's ipvsadm loads a table of its own at boot."""
    return state.kind == FILE and texts.loads_at_boot((state.content or b"").decode("utf-8", "replace"))
