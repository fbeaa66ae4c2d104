# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a real server, what was seen on it, and what follows. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host import paths
from ..._host.addresses import Address, Place, home_of, of_address
from ..._host.footprint import Footprint
from ..._host.paths import NOTHING, PathState

ROLE = "real_server"
SYSCTLS = "/etc/sysctl.d/90-mesh-expansion-real-server.conf"
STATE = "/var/lib/mesh-expansion"
# How releases before 1.1 remembered what was there before.
OLD_FOOTPRINT = f"{STATE}/real-server-before.json"

PRESENT, ABSENT = "present", "absent"
AUTO = "auto"
MODES = ("iptables", "nftables", "ipvs", "none")
IPVS_DEVICE = "kube-ipvs0"
NAMES = ("arp_ignore", "arp_announce", "rp_filter")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The options of both modules."""

    vip: Address
    state: str = PRESENT
    proxy_mode: str = AUTO
    proxy_url: str = ""
    interface: str = ""
    clients: t.Sequence[str] = ()
    manage_arp: bool = False
    manage_rp_filter: bool = False
    host: str = "this host"
    managed: str = "Ansible managed"


@dataclasses.dataclass(frozen=True)
class Seen:
    """All that decisions need to know about the node."""

    interfaces: t.Sequence[str] = ()
    places: t.Sequence[Place] = ()
    # How kube-proxy works; empty when nothing tells.
    mode: str = ""
    settings: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # By client, the interface that replies to it leave through.
    routes: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    # What is below the collection's directory; None when that is not there.
    listing: t.Sequence[str] | None = None
    footprint: Footprint | None = None
    old_footprint: bool = False

    def file(self, path: str) -> PathState:
        return self.files.get(path, NOTHING)

    def exists(self, path: str) -> bool:
        return self.file(path).kind != paths.ABSENT


def devices(wanted: Wanted, places: t.Sequence[Place]) -> list[str]:
    """The interface that the director's packets arrive on, if there is exactly one to choose."""
    return [wanted.interface] if wanted.interface else home_of(places, wanted.vip)


def key(interface: str, name: str) -> str:
    """A setting of an interface, whose name may hold dots."""
    return f"net/ipv4/conf/{interface}/{name}"


def effective(seen: Seen, device: str, name: str) -> int:
    """What holds on an interface is the larger of its own setting and that of "all"."""
    return max(int(seen.settings.get(key(interface, name), "0")) for interface in ("all", device))


def astray(seen: Seen, device: str) -> list[str]:
    """Clients whose replies leave through another interface than their packets arrive on."""
    return [client for client, interface in seen.routes.items() if interface != device]


def wanted_settings(wanted: Wanted, seen: Seen, device: str) -> dict[str, str]:
    """What the role may set, and has to."""
    found = {}
    if wanted.manage_arp and seen.mode == "ipvs":
        found.update({key("all", "arp_ignore"): "1", key("all", "arp_announce"): "2"})
    if wanted.manage_rp_filter and astray(seen, device):
        found[key(device, "rp_filter")] = "2"
    return found


def refusals(wanted: Wanted, seen: Seen) -> list[str]:
    """What breaks direct routing, with the way out."""
    return list(_reasons(wanted, seen)) if wanted.state == PRESENT else []


def _reasons(wanted: Wanted, seen: Seen) -> t.Iterator[str]:
    if seen.mode not in MODES:
        reason = (
            f"kube-proxy works in the mode {seen.mode}, which the role does not know"
            if seen.mode
            else f"no answer from {wanted.proxy_url}, and neither chains nor an interface of kube-proxy"
        )
        yield f"{wanted.host}: {reason}. Set real_server_proxy_mode, or start kube-proxy."
        return
    # kube-proxy takes the packets for the address as they come in.
    # A local address would answer ARP in the director's place.
    held = [place.interface for place in of_address(seen.places, wanted.vip)]
    wrong = [name for name in held if name != IPVS_DEVICE or seen.mode != "ipvs"]
    if wrong:
        yield (
            f"{wanted.vip} is on {', '.join(held)} of {wanted.host}, and kube-proxy works in the mode {seen.mode}. "
            + (
                "The interface is left over from the mode ipvs: run kube-proxy --cleanup, or ip link delete kube-ipvs0."
                if IPVS_DEVICE in held
                else "Remove the address: only the director may have it."
            )
        )
    found = devices(wanted, seen.places)
    if len(found) != 1:
        where = f"in the subnets of {', '.join(found)}" if found else "in no subnet"
        yield (
            f"The virtual address {wanted.vip} is {where} of {wanted.host}: "
            "name the interface that the director's packets arrive on with real_server_interface."
        )
        return
    yield from _settings(wanted, seen, found[0])


def _settings(wanted: Wanted, seen: Seen, device: str) -> t.Iterator[str]:
    ignore, announce = effective(seen, device, "arp_ignore"), effective(seen, device, "arp_announce")
    answers = seen.mode == "ipvs" and wanted.vip.version == 4 and not (ignore >= 1 and announce >= 2)
    if answers and not wanted.manage_arp:
        yield (
            f"{wanted.host} would take {wanted.vip} away from the director: kube-proxy in ipvs mode puts the address "
            f"on kube-ipvs0, and {device} answers ARP for it (arp_ignore {ignore}, arp_announce {announce}). Set "
            "strictARP: true in kube-proxy's configuration, or let the role set arp_ignore=1 and arp_announce=2 with "
            "real_server_manage_arp: true."
        )
    lost = astray(seen, device)
    if lost and effective(seen, device, "rp_filter") == 1 and not wanted.manage_rp_filter:
        yield (
            f"{wanted.host} drops what comes from {', '.join(lost)} through the director: it arrives on {device}, the "
            "way back is another interface, and rp_filter is 1 (strict). Let the role make it loose (2) with "
            "real_server_manage_rp_filter: true, or correct the routes."
        )
