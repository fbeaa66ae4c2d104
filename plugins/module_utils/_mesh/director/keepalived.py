# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of keepalived, as text, and what it cannot say. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host.addresses import Address, parse
from ..._host.paths import FILE, PathState
from ..._ipvs import drain, watch
from ..._ipvs.model import PROTOCOLS
from . import layout
from .model import INHIBIT, Service, Wanted

# By it a file is known as ours.
MARK = "# mesh.expansion, role director"
INSTANCE = "MESH"
# The first director of the inventory has the highest; the distance leaves room for one that is set by hand.
HIGHEST, DISTANCE = 200, 10

# Seconds for the address to go before keepalived is ended.
_FAREWELL = 3
# What keeps a director from holding the address, by the name that keepalived has for it.
_AWAY = {"standby": layout.STANDBY, "leaving": layout.LEAVING}

_KINDS = {"gatewaying": "DR", "masquerading": "NAT", "ipip": "TUN"}
# What a service or a real server may have beyond that is no word of keepalived's, or not all of its versions'.
_SERVICE = {"scheduler", "ops", "persistent", "real_servers", *(f"{name}_service" for name in PROTOCOLS)}
_SERVER = {"real_server", "forwarding", "weight", "u_threshold", "l_threshold"}


def is_ours(state: PathState) -> bool:
    return state.kind == FILE and MARK in (state.content or b"").decode("utf-8", "replace").splitlines()


def holds(state: PathState) -> bool:
    """Whether the address is keepalived's by a file of ours."""
    return is_ours(state) and b"vrrp_instance" in (state.content or b"")


def checks(state: PathState) -> bool:
    """Whether the table's services are in it, whoever wrote it."""
    return b"virtual_server " in (state.content or b"")


def own_address(wanted: Wanted) -> Address | None:
    """This director's, among those of all."""
    mine = [one["address"] for one in wanted.directors if one["name"] == wanted.host]
    return parse(mine[0], f"the address of {wanted.host} in directors") if mine else None


def peers(wanted: Wanted) -> list[Address]:
    others = [one for one in wanted.directors if one["name"] != wanted.host]
    return [parse(one["address"], f"the address of {one['name']} in directors") for one in others]


def router_id(wanted: Wanted) -> int:
    """By default the address's last byte: two sites of one segment have different ones, as a rule."""
    return wanted.router_id or wanted.vip.packed[-1] or 1


def priority(wanted: Wanted) -> int:
    if wanted.priority:
        return wanted.priority
    place = [one["name"] for one in wanted.directors].index(wanted.host)
    return max(1, HIGHEST - DISTANCE * place)


def unsupported(services: t.Sequence[Service]) -> list[str]:
    """What keepalived could not make of the services."""
    found = []
    for service in services:
        name = drain.name_of(service)
        found += [f"{option} of {name}" for option, value in service.items() if value and option not in _SERVICE]
        for server in service.get("real_servers") or []:
            words = [option for option, value in server.items() if value and option not in _SERVER]
            found += [f"{option} of {server['real_server']} of {name}" for option in words]
    return found


def drop_in(wanted: Wanted) -> str:
    """One that is killed leaves its address behind, and takes it off when it starts again. One that is ended would take
    the real servers out before the address, and break connections that another director could go on with."""
    lines = [f"# {wanted.managed}", "# What was killed holds its address until it is started again.", "[Service]"]
    lines += ["Restart=always", "RestartSec=0.5"]
    if wanted.vrrp:
        held = f"ip -o address show to {wanted.vip} | grep -q ."
        script = f"echo 1 >{layout.LEAVING}; while {held}; do sleep 0.1; done"
        lines += [
            "# The address goes to another director first, then the real servers are taken out.",
            f"ExecStop=-/usr/bin/timeout {_FAREWELL} /bin/sh -c '{script}'",
            f"ExecStopPost=-/bin/rm -f {layout.LEAVING}",
        ]
    return "\n".join(lines) + "\n"


def configuration(wanted: Wanted, device: str, services: t.Sequence[Service]) -> str:
    """The whole file. The services are in it only where keepalived checks their real servers."""
    blocks = [[f"# {wanted.managed}", MARK], _global(wanted, device)]
    if wanted.vrrp:
        blocks += [_block(f"track_file {name}", [f"file {path}", "weight 0"]) for name, path in _AWAY.items()]
        blocks += [_instance(wanted, device)]
    if wanted.checks:
        blocks += [_followed(name) for service in services for name in _places(service)]
        blocks += [_virtual_server(wanted, service) for service in services]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _block(head: str, lines: t.Iterable[str]) -> list[str]:
    return [f"{head} {{", *(f"    {line}" for line in lines), "}"]


def _global(wanted: Wanted, device: str) -> list[str]:
    lines = [f"router_id {wanted.host}"]
    if wanted.vrrp:
        lines += [
            "vrrp_version 3",
            "vrrp_garp_master_repeat 3",
            f"lvs_sync_daemon {device} {INSTANCE} id {router_id(wanted)}",
        ]
    return _block("global_defs", lines)


def _instance(wanted: Wanted, device: str) -> list[str]:
    lines = [
        f"interface {device}",
        "state BACKUP",
        "nopreempt",
        f"virtual_router_id {router_id(wanted)}",
        f"priority {priority(wanted)}",
        f"advert_int {wanted.advert_interval:g}",
        f"unicast_src_ip {own_address(wanted)}",
        *_block("unicast_peer", [str(address) for address in peers(wanted)]),
        *_block("virtual_ipaddress", [f"{wanted.vip}/{wanted.vip.max_prefixlen} dev {device}"]),
        *_block("track_file", list(_AWAY)),
    ]
    return _block(f"vrrp_instance {INSTANCE}", lines)


def _followed(name: str) -> list[str]:
    return _block(f"track_file {name}", [f"file {layout.HEALTH}/{name}", "weight 0"])


def _places(service: Service) -> list[str]:
    return [_place(service, server) for server in service.get("real_servers") or []]


def _place(service: Service, server: t.Mapping[str, t.Any]) -> str:
    protocol, address, port = _service_parts(service)
    return watch.place(protocol, address, port, _parts(server["real_server"])[0])


def _service_parts(service: Service) -> tuple[str, str, str]:
    protocol = next(name for name in PROTOCOLS if service.get(f"{name}_service"))
    return (protocol, *_parts(service[f"{protocol}_service"]))


def _virtual_server(wanted: Wanted, service: Service) -> list[str]:
    protocol, address, port = _service_parts(service)
    lines = [
        f"lb_algo {service.get('scheduler') or 'wlc'}",
        "lb_kind DR",
        f"protocol {protocol.upper()}",
    ]
    if service.get("ops"):
        lines.append("ops")
    if service.get("persistent"):
        lines.append(f"persistence_timeout {service['persistent']}")
    for server in service.get("real_servers") or []:
        lines += _real_server(wanted, server, port, _place(service, server))
    return _block(f"virtual_server {address} {port}", lines)


def _real_server(wanted: Wanted, server: t.Mapping[str, t.Any], port: str, name: str) -> list[str]:
    address, own_port = _parts(server["real_server"])
    lines = [f"weight {server.get('weight', 1)}"]
    lines += [
        f"{word} {server[option]}"
        for option, word in (("u_threshold", "uthreshold"), ("l_threshold", "lthreshold"))
        if server.get(option)
    ]
    kind = _KINDS[server.get("forwarding") or "gatewaying"]
    if kind != "DR":
        lines.append(f"lb_kind {kind}")
    if wanted.health_failed == INHIBIT:
        lines.append("inhibit_on_failure")
    check = _block("FILE_CHECK", [f"track_file {name}", "weight 0"])
    return _block(f"real_server {address} {own_port or port}", [*lines, *check])


def _parts(endpoint: str) -> tuple[str, str]:
    """Address and port; no port is an empty one."""
    address = str(drain.address_of(endpoint))
    rest = endpoint.rpartition("]")[2] if endpoint.startswith("[") else endpoint[len(address) :]
    return address, rest.lstrip(":") if rest.startswith(":") else ""
