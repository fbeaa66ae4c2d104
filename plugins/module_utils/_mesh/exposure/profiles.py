# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are exposed: a profile, or a list of one's own, with overrides. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from .model import ENTRY_KEYS, PORT_DEFAULTS, Entry, ExposureError, only_known, parse_services

PROFILES = ("secure", "reference")


def _istio_entry(name: str, namespace: str, selector: dict, dns_names: list, ports: list) -> Entry:
    return {
        "name": name,
        "namespace": namespace,
        "selector": selector,
        "labels": dict(selector),
        "dns_names": dns_names,
        "ports": [{"name": port_name, "port": port} for port_name, port in ports],
    }


def _profile_entries(profile: str, istio_namespace: str, dns_namespace: str, cluster_domain: str) -> list[Entry]:
    """The list of a profile.

    "reference" is the port list of the manual procedure, with its one persistence of 300 s for all. "secure" leaves out
    the ports that carry unauthenticated traffic (8080, 15010), answers DNS over TCP too (truncated UDP answers are
    retried there) and does not pin anybody to one node.
    """
    if profile not in PROFILES:
        raise ExposureError(f"unknown profile {profile!r}: use one of {', '.join(PROFILES)}")
    reference = profile == "reference"
    pilot_ports = [("https-pilot", 15005), ("tls-grpc-pilot", 15011)]
    dns_ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "one_packet": True},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    if reference:
        pilot_ports = [("https-pilot", 15005), ("http-pilot", 8080), ("grpc-pilot", 15010), ("tls-grpc-pilot", 15011)]
        dns_ports = [{"port": 53, "protocol": "UDP"}]
    mixer = _istio_entry(
        "istio-mixer-lb",
        istio_namespace,
        {"istio": "mixer", "istio-mixer-type": "telemetry"},
        ["istio-mixer", "istio-policy", "istio-telemetry"],
        [("grpc-mixer-mtls", 15004), ("grpc-mixer", 9091)],
    )
    # The procedure gives this one a selector only.
    mixer["labels"] = {}
    citadel_names = ["istio-citadel", "istio-ca"]
    entries: list[Entry] = [
        {
            "name": "kube-dns-lb",
            "namespace": dns_namespace,
            "selector": {"k8s-app": "kube-dns"},
            "labels": {"k8s-app": "kube-dns"},
            "dns_zone": f"svc.{cluster_domain}",
            "ports": dns_ports,
        },
        mixer,
        _istio_entry("istio-pilot-lb", istio_namespace, {"istio": "pilot"}, ["istio-pilot"], pilot_ports),
        _istio_entry("istio-citadel-lb", istio_namespace, {"istio": "citadel"}, citadel_names, [("", 8060)]),
    ]
    if reference:
        for entry in entries:
            entry["persistence"] = 300
    return entries


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
) -> list[Entry]:
    """The normalised list: from a profile, or from the user's own list, with overrides merged in by name."""
    raw = list(services) if services else _profile_entries(profile, istio_namespace, dns_namespace, cluster_domain)
    for index, entry in enumerate(raw):
        only_known(entry, ENTRY_KEYS + PORT_DEFAULTS, f"exposed service {index + 1}")
    changes = overrides or {}
    only_known(changes, [str(entry.get("name")) for entry in raw], "overrides of exposed services")

    def merged(entry: Entry) -> Entry:
        name = str(entry.get("name"))
        return _override(entry, changes[name]) if name in changes else entry

    return parse_services([merged(entry) for entry in raw])
