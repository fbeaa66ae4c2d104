# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are exposed: a profile, or a list of one's own, with overrides. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from . import citadel, istiod
from .model import ENTRY_KEYS, PORT_DEFAULTS, Entry, ExposureError, Place, only_known, parse_services

_LISTS: dict[str, t.Callable[[Place], list[Entry]]] = {
    citadel.SECURE: citadel.secure,
    citadel.REFERENCE: citadel.reference,
    istiod.PROFILE: istiod.istiod,
}
PROFILES = tuple(_LISTS)


def _profile_entries(profile: str, place: Place) -> list[Entry]:
    if profile not in _LISTS:
        raise ExposureError(f"unknown profile {profile!r}: use one of {', '.join(PROFILES)}")
    return _LISTS[profile](place)


def _override(entry: Entry, override: t.Any) -> Entry:
    where = f"override of exposed service {entry['name']}"
    only_known(override, [key for key in ENTRY_KEYS + PORT_DEFAULTS if key != "name"], where)
    merged = {**entry, **override}
    if "ports" not in override:
        # What the override says for the whole entry beats what the ports of the profile say for themselves. Persistence
        # pins a client although every packet is scheduled anew, so asking for it ends one-packet scheduling.
        overridden = [key for key in PORT_DEFAULTS if key in override]
        if override.get("persistence"):
            overridden.append("one_packet")
        merged["ports"] = [_without(port, overridden) for port in entry["ports"]]
    return merged


def _without(port: t.Any, keys: t.Sequence[str]) -> t.Any:
    return {key: value for key, value in port.items() if key not in keys} if isinstance(port, t.Mapping) else port


def exposed_services(
    profile: str,
    overrides: t.Mapping[str, t.Any] | None = None,
    istio_namespace: str = "istio-system",
    dns_namespace: str = "kube-system",
    cluster_domain: str = "cluster.local",
    services: t.Sequence[t.Any] | None = None,
    **more: t.Any,
) -> list[Entry]:
    """The normalised list: from a profile, or from the user's own list, with overrides merged in by name. `more` is
    what else a profile's list depends on, by the names of C(Place)."""
    place = Place(istio_namespace, dns_namespace, cluster_domain, **more)
    if services and not isinstance(services, (list, tuple)):
        raise ExposureError(f"exposed services: must be a list, not {services!r}")
    raw = list(services) if services else _profile_entries(profile, place)
    for index, entry in enumerate(raw):
        only_known(entry, ENTRY_KEYS + PORT_DEFAULTS, f"exposed service {index + 1}")
    changes = overrides or {}
    only_known(changes, [str(entry.get("name")) for entry in raw], "overrides of exposed services")

    def merged(entry: Entry) -> Entry:
        name = str(entry.get("name"))
        return _override(entry, changes[name]) if name in changes else entry

    return parse_services([merged(entry) for entry in raw])


def together(own: t.Sequence[Entry], former: t.Sequence[Entry]) -> list[Entry]:
    """What two generations expose beside each other: of a Service that both have, the first says how, and the ports of
    the second stay."""
    theirs = {(entry["namespace"], entry["name"]): entry for entry in former}
    merged = [_with_ports(entry, theirs.pop((entry["namespace"], entry["name"]), None)) for entry in own]
    return parse_services([*merged, *theirs.values()])


def _with_ports(entry: Entry, other: Entry | None) -> Entry:
    if other is None:
        return entry
    known = {(port["port"], port["protocol"]) for port in entry["ports"]}
    taken = {port["name"] for port in entry["ports"]} | {""}
    more = [port for port in other["ports"] if (port["port"], port["protocol"]) not in known]
    return {
        **entry,
        "ports": [*entry["ports"], *(_with_name(port, taken) for port in more)],
        "dns_names": list(dict.fromkeys([*entry["dns_names"], *other["dns_names"]])),
    }


def _with_name(port: Entry, taken: t.Collection[str]) -> Entry:
    """With more than one port each needs a name of its own."""
    return {**port, "name": f"{port['protocol'].lower()}-{port['port']}"} if port["name"] in taken else port
