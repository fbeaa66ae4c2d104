# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Everything that follows from the list of exposed services.

One list says which control-plane Services are reachable on the virtual address. The Kubernetes Services and the
director's IPVS table are both computed here from it, so that they cannot disagree. Pure functions over plain data.
"""

from __future__ import annotations

import ipaddress
import typing as t

Entry = t.Dict[str, t.Any]

MANAGED_BY = {
    "app.kubernetes.io/managed-by": "mesh.expansion",
    "app.kubernetes.io/component": "exposure",
}
PROFILES = ("secure", "reference")
PROTOCOLS = ("TCP", "UDP")

_PORT_KEYS = ("name", "port", "protocol", "target_port", "persistence", "one_packet")
_ENTRY_KEYS = ("name", "namespace", "selector", "labels", "nodes", "scheduler", "dns_names", "dns_zone", "ports")
# These may also stand at the entry and then hold for all its ports.
_PORT_DEFAULTS = ("persistence", "one_packet")


class ExposureError(ValueError):
    """The list of exposed services, or what it is combined with, is not usable."""


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
        _istio_entry("istio-citadel-lb", istio_namespace, {"istio": "citadel"}, ["istio-citadel", "istio-ca"], [("", 8060)]),
    ]
    if reference:
        for entry in entries:
            entry["persistence"] = 300
    return entries


def _integer(value: t.Any, where: str, key: str, low: int, high: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = low - 1
    if isinstance(value, bool) or not low <= number <= high:
        raise ExposureError(f"{where}: {key} is {value!r}; it must be a whole number from {low} to {high}")
    return number


def _only_known(mapping: t.Any, known: t.Iterable[str], where: str) -> None:
    if not isinstance(mapping, t.Mapping):
        raise ExposureError(f"{where}: must be a dictionary, not {type(mapping).__name__}")
    unknown = sorted(set(mapping) - set(known))
    if unknown:
        raise ExposureError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(known)}")


def _normalise_port(port: t.Any, entry: Entry, where: str) -> Entry:
    if not isinstance(port, t.Mapping):
        port = {"port": port}
    _only_known(port, _PORT_KEYS, where)
    number = _integer(port.get("port"), where, "port", 1, 65535)
    where = f"{where} {number}"
    protocol = str(port.get("protocol") or "TCP").upper()
    if protocol not in PROTOCOLS:
        raise ExposureError(f"{where}: protocol is {port['protocol']!r}; use one of {', '.join(PROTOCOLS)}")
    persistence = port.get("persistence", entry.get("persistence", 0))
    one_packet = port.get("one_packet", protocol == "UDP" and entry.get("one_packet", False))
    if not isinstance(one_packet, bool):
        raise ExposureError(f"{where}: one_packet is {one_packet!r}; it must be true or false")
    if one_packet and protocol != "UDP":
        raise ExposureError(f"{where}: one_packet is for UDP only; leave it out for {protocol}")
    return {
        "name": str(port.get("name") or ""),
        "port": number,
        "protocol": protocol,
        "target_port": _integer(port.get("target_port", number), where, "target_port", 1, 65535),
        "persistence": _integer(persistence, where, "persistence", 0, 86400 * 31),
        "one_packet": one_packet,
    }


def _normalise(entry: t.Any, index: int) -> Entry:
    where = f"exposed service {index + 1}"
    _only_known(entry, _ENTRY_KEYS + _PORT_DEFAULTS, where)
    for key in ("name", "namespace", "selector", "ports"):
        if not entry.get(key):
            raise ExposureError(f"{where} ({entry.get('name', 'without name')}): {key} is missing or empty")
    where = f"exposed service {entry['name']}"
    for key in ("nodes", "dns_names", "ports"):
        if not isinstance(entry.get(key) or [], (list, tuple)):
            raise ExposureError(f"{where}: {key} must be a list")
    ports = [_normalise_port(port, entry, f"{where}: port") for port in entry["ports"]]
    if len(ports) > 1 and len({port["name"] for port in ports} - {""}) < len(ports):
        raise ExposureError(f"{where}: with more than one port each needs a name of its own")
    return {
        "name": str(entry["name"]),
        "namespace": str(entry["namespace"]),
        "selector": dict(entry["selector"]),
        "labels": dict(entry.get("labels") or {}),
        "nodes": [str(node) for node in entry.get("nodes") or []],
        "scheduler": str(entry.get("scheduler") or "wrr"),
        "dns_names": [str(name) for name in entry.get("dns_names") or []],
        "dns_zone": str(entry.get("dns_zone") or ""),
        "ports": ports,
    }


def _override(entry: Entry, override: t.Any) -> Entry:
    where = f"override of exposed service {entry['name']}"
    _only_known(override, [key for key in _ENTRY_KEYS + _PORT_DEFAULTS if key != "name"], where)
    merged = {**entry, **override}
    if "ports" not in override:
        # What the override says for the whole entry beats what the ports of the profile say for themselves. Persistence
        # pins a client although every packet is scheduled anew, so asking for it ends one-packet scheduling.
        overridden = [key for key in _PORT_DEFAULTS if key in override]
        if override.get("persistence"):
            overridden.append("one_packet")
        merged["ports"] = [
            {key: value for key, value in port.items() if key not in overridden} if isinstance(port, t.Mapping) else port for port in entry["ports"]
        ]
    return merged


def _unique(entries: list[Entry]) -> None:
    names: set = set()
    owners: dict = {}
    for entry in entries:
        if entry["name"] in names:
            raise ExposureError(f"exposed service {entry['name']} is listed twice")
        names.add(entry["name"])
        for port in entry["ports"]:
            key = (port["protocol"], port["port"])
            if key in owners:
                raise ExposureError(
                    f"{port['protocol']} port {port['port']} is exposed by both {owners[key]} and {entry['name']}: "
                    "one virtual address can forward it to one of them only"
                )
            owners[key] = entry["name"]


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
        _only_known(entry, _ENTRY_KEYS + _PORT_DEFAULTS, f"exposed service {index + 1}")
    overrides = overrides or {}
    _only_known(overrides, [str(entry.get("name")) for entry in raw], "overrides of exposed services")
    entries = [_normalise(_override(entry, overrides[entry["name"]]) if entry.get("name") in overrides else entry, index) for index, entry in enumerate(raw)]
    _unique(entries)
    return entries


def parse_address(value: t.Any, what: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(str(value))
    except ValueError:
        raise ExposureError(f"{what} is {value!r}; it must be an IP address") from None


def exposure_manifests(services: t.Sequence[Entry], vip: str) -> list[dict[str, t.Any]]:
    """The Kubernetes Services that make the nodes accept what the director sends them for the virtual address."""
    address = str(parse_address(vip, "the virtual address"))
    manifests = []
    for entry in services:
        ports = []
        for port in entry["ports"]:
            item = {"name": port["name"]} if port["name"] else {}
            item.update(port=port["port"], protocol=port["protocol"], targetPort=port["target_port"])
            ports.append(item)
        manifests.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": entry["name"],
                    "namespace": entry["namespace"],
                    "labels": {**entry["labels"], **MANAGED_BY},
                },
                "spec": {
                    "type": "ClusterIP",
                    "externalIPs": [address],
                    "selector": dict(entry["selector"]),
                    "ports": ports,
                },
            }
        )
    return manifests


def exposure_plan(manifests: t.Sequence[dict[str, t.Any]], live: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
    """How the Services in the cluster differ from the wanted ones, as far as server-side apply does not see to it."""
    found = {_identity(service): service for service in live}
    wanted = {_identity(manifest) for manifest in manifests}
    plan: dict[str, list[dict[str, t.Any]]] = {"missing": [], "foreign": [], "surplus": [], "stale": []}
    for manifest in manifests:
        service = found.get(_identity(manifest))
        if service is None:
            plan["missing"].append(manifest)
            continue
        if not _is_ours(service):
            plan["foreign"].append(_reference(service))
        spec = _surplus(service["spec"], manifest["spec"])
        if spec:
            plan["surplus"].append({**_reference(manifest), "spec": spec})
    plan["stale"] = [_reference(service) for identity, service in found.items() if identity not in wanted and _is_ours(service)]
    return plan


def _surplus(actual: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The merge patch that takes out what other writers added.

    Server-side apply leaves list items and map keys alone that belong to another field manager. An additional port would
    stay open on the virtual address, and an additional selector key would keep the Service without endpoints.
    """
    spec: dict[str, t.Any] = {}
    if _port_keys(actual) - _port_keys(wanted):
        spec["ports"] = wanted["ports"]
    surplus = set(actual.get("selector") or {}) - set(wanted["selector"])
    if surplus:
        spec["selector"] = dict.fromkeys(sorted(surplus))
    return spec


def _is_ours(service: t.Mapping[str, t.Any]) -> bool:
    labels = service["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in MANAGED_BY.items())


def _reference(service: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    namespace, name = _identity(service)
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}}


def _identity(service: t.Mapping[str, t.Any]) -> tuple[str, str]:
    return service["metadata"]["namespace"], service["metadata"]["name"]


def _port_keys(spec: t.Mapping[str, t.Any]) -> set:
    return {(port["port"], port.get("protocol", "TCP")) for port in spec.get("ports") or []}


def _endpoint(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def ipvs_table(services: t.Sequence[Entry], vip: str, nodes: t.Mapping[str, str]) -> list[dict[str, t.Any]]:
    """The director's virtual services: one per exposed port, forwarded by direct routing to the entry's nodes."""
    virtual = parse_address(vip, "the virtual address")
    addresses = {}
    for name, value in nodes.items():
        # Without an address of its own a node is reached by its name.
        address = parse_address(value or name, f"the address of node {name}")
        if address.version != virtual.version:
            raise ExposureError(f"node {name} has address {address}: direct routing needs the family of the virtual address {virtual}")
        if address == virtual:
            raise ExposureError(f"node {name} has the virtual address {virtual} as its own: give the virtual address to no host")
        addresses[str(name)] = address
    table = []
    for entry in services:
        names = entry["nodes"] or list(addresses)
        if not names:
            raise ExposureError(f"exposed service {entry['name']} has no node to forward to: name the nodes")
        unknown = [name for name in names if name not in addresses]
        if unknown:
            raise ExposureError(f"exposed service {entry['name']} names node {unknown[0]!r}; known are {', '.join(addresses) or 'none'}")
        for port in entry["ports"]:
            table.append(
                {
                    f"{port['protocol'].lower()}_service": _endpoint(virtual, port["port"]),
                    "scheduler": entry["scheduler"],
                    "ops": port["one_packet"],
                    "persistent": port["persistence"],
                    # The node takes the packet for the virtual address, so the port is the exposed one, not the pod's.
                    "real_servers": [{"real_server": _endpoint(addresses[name], port["port"]), "forwarding": "gatewaying", "weight": 1} for name in names],
                }
            )
    return table
