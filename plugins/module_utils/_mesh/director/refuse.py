# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would do harm, and is refused with the reason and the way out. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host.paths import FILE, PathState
from ..._ipvs.drain import address_of
from . import layout, model, texts
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
    if seen.keepalived:
        yield (
            f"{', '.join(seen.keepalived)} on {wanted.host} names {wanted.vip}: two writers of one table undo each "
            "other's work. Take the address out of keepalived, or use another one."
        )
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


def _elsewhere(wanted: Wanted, seen: Seen, device: str) -> t.Iterator[str]:
    right = f"{device}/{wanted.vip.max_prefixlen}"
    wrong = [str(place) for place in model.held_at(wanted, seen) if str(place) != right]
    if wrong:
        yield (
            f"{wanted.vip} is on {', '.join(wrong)} of {wanted.host}; it must be a host address on {right}. "
            "Remove it from the configuration that puts it there."
        )
    if seen.answered_by:
        yield (
            f"The host with the hardware address {', '.join(seen.answered_by)} answers for {wanted.vip} on {device}. "
            "Use a free address, or remove it there (on a Kubernetes node in ipvs mode: set strictARP)."
        )


def ipvsadm_loads(state: PathState) -> bool:
    """Whether Debian's ipvsadm loads a table of its own at boot."""
    return state.kind == FILE and texts.loads_at_boot((state.content or b"").decode("utf-8", "replace"))
