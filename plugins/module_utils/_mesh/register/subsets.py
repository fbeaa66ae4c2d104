# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content of Endpoints objects as a set of (address, port) entries. Private to the collection.

The API server regroups subsets on every write, so the grouping carries no meaning: two lists of subsets are the same
when they hold the same entries. Addresses and ports are kept whole, with any attribute that others set on them.
"""

from __future__ import annotations

import json
import typing as t

JsonObject = t.Dict[str, t.Any]


class Port(t.NamedTuple):
    """A named port; its protocol on the wire follows from the name, as in Pilot."""

    name: str
    number: int

    @property
    def transport(self) -> str:
        return "UDP" if self.name.split("-", 1)[0] == "udp" else "TCP"

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"


class Entry(t.NamedTuple):
    """One address on one port. Both are canonical JSON, so that entries can be compared, hashed and sorted."""

    address: str
    port: str
    ready: bool = True

    @property
    def ip(self) -> str:
        return str(json.loads(self.address).get("ip", ""))

    def serves(self, port: Port) -> bool:
        found = json.loads(self.port) if self.port else {}
        return (found.get("name", ""), found.get("port"), found.get("protocol", "TCP")) == (
            port.name,
            port.number,
            port.transport,
        )


def entry(ip: str, port: Port) -> Entry:
    """The entry that a registration of ours writes."""
    return Entry(
        _canonical({"ip": ip}), _canonical({"name": port.name, "port": port.number, "protocol": port.transport})
    )


def unpack(subsets: list[JsonObject] | None) -> set[Entry]:
    entries: set[Entry] = set()
    for subset in subsets or []:
        ports = [_canonical({"protocol": "TCP", **port}) for port in subset.get("ports") or []] or [""]
        for key, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in subset.get(key) or []:
                entries.update(Entry(_canonical(address), port, ready) for port in ports)
    return entries


def pack(entries: t.Iterable[Entry]) -> list[JsonObject]:
    """The shortest list of subsets that holds exactly these entries, in a stable order."""
    members: dict[str, set[tuple[str, bool]]] = {}
    for item in entries:
        members.setdefault(item.port, set()).add((item.address, item.ready))
    groups: dict[tuple[tuple[str, bool], ...], list[str]] = {}
    for port, addresses in members.items():
        # Entries without any port cannot share a subset with ports.
        groups.setdefault((*sorted(addresses), *([("", False)] if not port else [])), []).append(port)
    subsets: list[JsonObject] = []
    for addresses_key, ports in sorted(groups.items(), key=lambda group: sorted(group[1])):
        subset: JsonObject = {}
        for key, wanted in (("addresses", True), ("notReadyAddresses", False)):
            found = [json.loads(address) for address, ready in addresses_key if address and ready is wanted]
            if found:
                subset[key] = found
        if ports != [""]:
            subset["ports"] = sorted((json.loads(port) for port in ports), key=lambda port: (port["port"], str(port)))
        subsets.append(subset)
    return subsets


def _canonical(value: JsonObject) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
