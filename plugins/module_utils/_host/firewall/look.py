# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a host's packet filter, and asking it about traffic. Changes nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import re
import typing as t

from .. import addresses, commands, paths, systemd
from ..errors import HostError
from . import nft, xtables
from .model import PROTOCOLS, Base, Packet
from .walk import PASSES, verdict

# What sets rules up, as units of systemd.
UNITS = ("docker.service", "firewalld.service", "nftables.service", "ufw.service")
_NFTABLES_CONF = "/etc/nftables.conf"
_LEGACY_TABLES = "/proc/net/ip_tables_names"
# Bridges that container engines make.
BRIDGE = re.compile(r"(docker|podman|cni-podman|virbr|lxdbr|lxcbr)\d+|br-[0-9a-f]{12}")


@dataclasses.dataclass(frozen=True)
class Traffic:
    """What has to get through; each of C(ports) from each of C(sources)."""

    name: str
    hooks: t.Sequence[str]
    protocol: str
    sources: t.Sequence[str]
    destination: str = ""
    ports: t.Sequence[int] = ()
    # What C(Packet) has beside that, by its fields' names.
    packet: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    # Whether the ports are where it comes from, or where it was sent to before it was given C(port).
    port_field: str = "dport"


def look(traffic: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    _interfaces, places = addresses.look()
    seen: dict[str, t.Any] = {"units": _units(), "flushes": _flushes(), "networks": networks(places), "error": ""}
    try:
        found, clashes = bases()
    except HostError as exc:
        return {**seen, "error": str(exc), "kept": [], "clashes": []}
    known = tuple(places)
    lines = [line for item in traffic for line in _asked(found, item, known)]
    return {**seen, "kept": lines, "clashes": clashes}


def _asked(
    found: t.Sequence[Base], item: t.Mapping[str, t.Any], places: tuple[addresses.Place, ...]
) -> list[dict[str, t.Any]]:
    try:
        return kept(found, Traffic(**item), places)
    except (KeyError, TypeError, ValueError) as exc:
        raise HostError(
            f"traffic has {item!r}, which cannot be asked about ({exc}). Give what the filter "
            "mesh.expansion.preflight_traffic returns."
        ) from exc


def bases() -> tuple[list[Base], list[str]]:
    """The rules of nftables and of both kinds of iptables; and chains of nftables that iptables cannot use."""
    listed = commands.run(["nft", "-j", "list", "ruleset"])
    if listed.rc not in (0, 127):
        raise HostError(f"nft -j list ruleset ended with {listed.rc}: {listed.stderr.strip()}")
    found: list[Base] = []
    # Of iptables' rules nft names what it does not know and no more: iptables tells its own chains in full.
    if '"family": "ip"' in listed.stdout or listed.rc == 127:
        found += xtables.bases(_save("iptables-nft-save", "iptables-save"), "iptables")
    told = {(*base.name.split()[1:], base.priority) for base in found}
    if (paths.read_text(_LEGACY_TABLES) or "").strip():
        found += xtables.bases(_save("iptables-legacy-save", "iptables-save"), "iptables-legacy")
    try:
        found += nft.bases(listed.stdout, lambda *chain: chain in told)
        return found, nft.clashes(listed.stdout, xtables.priority)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise HostError(f"what nft -j list ruleset prints is not understood ({exc!r})") from exc


def _save(*programs: str) -> str:
    """What the first of them prints that is installed."""
    for program in programs:
        done = commands.run([program])
        if done.rc != 127:
            return done.stdout
    return ""


def _units() -> dict[str, dict[str, bool]]:
    """Those that are there; a host without systemd is found elsewhere."""
    try:
        return {name: unit.as_dict() for name, unit in systemd.look(UNITS).items() if unit.loaded}
    except HostError:
        return {}


def _flushes() -> bool:
    """Whether loading the rules of nftables.service takes away everybody else's."""
    text = paths.read_text(_NFTABLES_CONF) or ""
    return re.search(r"^\s*flush\s+ruleset\b", text, re.MULTILINE) is not None


def networks(places: t.Sequence[addresses.Place]) -> list[dict[str, t.Any]]:
    """What is reached directly, and whether a container engine made that."""
    return [
        {
            "interface": place.interface,
            "network": str(network),
            "engine": BRIDGE.fullmatch(place.interface) is not None,
        }
        for place in places
        if place.address.version == 4 and not place.address.is_loopback
        for network in [ipaddress.ip_network(f"{place.address}/{place.prefix}", strict=False)]
        if network.prefixlen < network.max_prefixlen
    ]


def kept(found: t.Sequence[Base], traffic: Traffic, places: tuple[addresses.Place, ...] = ()) -> list[dict[str, t.Any]]:
    """What of it does not get through, or may not, by the chain that keeps it."""
    lines: dict[tuple[str, str], dict[str, t.Any]] = {}
    for hook in traffic.hooks:
        for port in traffic.ports or (0,):
            said = {source: verdict(found, _packet(traffic, hook, source, port, places)) for source in traffic.sources}
            for source, one in said.items():
                if one.outcome == PASSES or one.base is None:
                    continue
                start = {"traffic": traffic.name, "outcome": one.outcome, "chain": one.base.name, "hook": hook}
                more = {"owner": one.base.owner, "protocol": traffic.protocol, "destination": traffic.destination}
                line = lines.setdefault(
                    (one.outcome, one.base.name),
                    {**start, **more, "sources": [], "ports": [], "port": traffic.packet.get("dport"), "every": False},
                )
                line["sources"] += [source] if source not in line["sources"] else []
                line["ports"] += [port] if port and port not in line["ports"] else []
                # No source at all gets through to this port.
                line["every"] |= {other.outcome for other in said.values()} == {one.outcome}
    return list(lines.values())


def _packet(traffic: Traffic, hook: str, source: str, port: int, places: tuple[addresses.Place, ...]) -> Packet:
    told: dict[str, t.Any] = {**traffic.packet, **({traffic.port_field: port} if port else {})}
    if "flags" in told:
        told["flags"] = frozenset(told["flags"])
    if hook != "output":
        told.setdefault("iif", _device(places, source, hook))
    return Packet(
        hook,
        PROTOCOLS[traffic.protocol],
        source=_network(source) if source else None,
        destination=_network(traffic.destination) if traffic.destination else None,
        **told,
    )


# A site has few addresses, and asks about each for every port and chain.
_network = functools.cache(ipaddress.IPv4Network)


@functools.cache
def _device(places: tuple[addresses.Place, ...], source: str, hook: str) -> str | None:
    """Where it comes in: of its subnet the interface, else the only one. None where there are several, or a node
    forwards what its own pods send."""
    if hook == "forward" and ("/" in source or not source):
        return None
    homes = addresses.home_of(places, _network(source).network_address) if source else []
    real = {
        place.interface
        for place in places
        if place.address.version == 4 and not place.address.is_loopback and not BRIDGE.fullmatch(place.interface)
    }
    found = homes or sorted(real)
    return found[0] if len(found) == 1 else None
