# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Istio 1.0 to 1.4 exposes: Pilot, Mixer, Citadel and the cluster's DNS. Pure. Private to the collection."""

from __future__ import annotations

from .model import Entry, Place

SECURE, REFERENCE = "secure", "reference"


def _istio_entry(name: str, namespace: str, selector: dict, dns_names: list, ports: list) -> Entry:
    return {
        "name": name,
        "namespace": namespace,
        "selector": selector,
        "labels": dict(selector),
        "dns_names": dns_names,
        "ports": [{"name": port_name, "port": port} for port_name, port in ports],
    }


def dns_entry(place: Place, ports: list) -> Entry:
    return {
        "name": "kube-dns-lb",
        "namespace": place.dns_namespace,
        "selector": {"k8s-app": "kube-dns"},
        "labels": {"k8s-app": "kube-dns"},
        "dns_zone": f"svc.{place.cluster_domain}",
        "ports": ports,
    }


def dns_ports() -> list[Entry]:
    """Truncated UDP answers are asked for again over TCP."""
    return [
        {"name": "dns", "port": 53, "protocol": "UDP", "one_packet": True},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]


def secure(place: Place) -> list[Entry]:
    """Leaves out the ports that carry unauthenticated traffic (8080, 15010), answers DNS over TCP too and does not pin
    anybody to one node."""
    return _entries(place, [("https-pilot", 15005), ("tls-grpc-pilot", 15011)], dns_ports())


def reference(place: Place) -> list[Entry]:
    """The port list of the manual procedure, with its one persistence of 300 s for all."""
    pilot_ports = [("https-pilot", 15005), ("http-pilot", 8080), ("grpc-pilot", 15010), ("tls-grpc-pilot", 15011)]
    entries = _entries(place, pilot_ports, [{"port": 53, "protocol": "UDP"}])
    for entry in entries:
        entry["persistence"] = 300
    return entries


def _entries(place: Place, pilot_ports: list, ports_of_dns: list) -> list[Entry]:
    namespace = place.istio_namespace
    mixer = _istio_entry(
        "istio-mixer-lb",
        namespace,
        {"istio": "mixer", "istio-mixer-type": "telemetry"},
        ["istio-mixer", "istio-policy", "istio-telemetry"],
        [("grpc-mixer-mtls", 15004), ("grpc-mixer", 9091)],
    )
    # The procedure gives this one a selector only.
    mixer["labels"] = {}
    return [
        dns_entry(place, ports_of_dns),
        mixer,
        _istio_entry("istio-pilot-lb", namespace, {"istio": "pilot"}, ["istio-pilot"], pilot_ports),
        _istio_entry("istio-citadel-lb", namespace, {"istio": "citadel"}, ["istio-citadel", "istio-ca"], [("", 8060)]),
    ]
