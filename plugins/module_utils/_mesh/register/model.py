# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registration of VMs behind a Service consists of, checked and normalised. Private to the collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .subsets import Port

# Pilot takes the text before the first '-' of a port's name as its protocol; anything else silently becomes plain TCP.
PROTOCOLS = ("tcp", "udp", "grpc", "http", "http2", "https", "tls", "mongo", "redis")

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LOCALITY = re.compile(r"[^/\s]+(/[^/\s]+){0,2}")

# How a WorkloadGroup's probe asks.
PROBES = ("httpGet", "tcpSocket", "exec", "grpc")

# Backends whose objects know nothing of a workload but its address and ports.
PLAIN_BACKENDS = ("endpoints", "endpoint_slice")


class RegistrationError(Exception):
    """A registration that cannot be carried out; the text is fit for a user."""


Labels = t.Tuple[t.Tuple[str, str], ...]


class VmEndpoint(t.NamedTuple):
    """One VM behind a Service."""

    address: str
    ports: tuple[Port, ...]
    service_account: str
    host: str = ""
    # What only a workload of istiod has.
    weight: int | None = None
    locality: str = ""
    network: str = ""
    labels: Labels = ()
    group: str = ""
    # Of its group, which it is recorded with.
    probe: t.Mapping[str, t.Any] | None = None

    def plain(self) -> VmEndpoint:
        """As an object holds it that is no workload."""
        return VmEndpoint(self.address, self.ports, self.service_account, self.host)


class Registration(t.NamedTuple):
    """One Service and the VMs that serve it."""

    namespace: str
    name: str
    endpoints: tuple[VmEndpoint, ...]
    selector: Labels = ()
    plain_clients: bool = False
    probe: t.Mapping[str, t.Any] | None = None

    @property
    def label(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse_port(raw: t.Any, where: str) -> Port:
    """A port from a mapping with name and port, or from istioctl's form http:9080."""
    if isinstance(raw, t.Mapping):
        name, number = str(raw.get("name") or ""), raw.get("port")
    else:
        name, _colon, number = str(raw).rpartition(":")
    if not name:
        raise RegistrationError(
            f"{where}: port {raw!r} has no name. Name it after its protocol, for example http:{number or 9080}."
        )
    try:
        value = int(str(number))
    except ValueError:
        value = 0
    if not 1 <= value <= 65535:
        raise RegistrationError(f"{where}: {number!r} is not a port number. Use a number from 1 to 65535.")
    if not _DNS_LABEL.fullmatch(name):
        raise RegistrationError(
            f"{where}: port name {name!r} is not valid. Use lower-case letters, digits and '-', as in http-web."
        )
    protocol = name.split("-", 1)[0]
    if protocol not in PROTOCOLS:
        raise RegistrationError(
            f"{where}: port name {name!r} begins with {protocol!r}, which is no protocol that Pilot knows, so it would "
            f"treat the port as plain TCP. Begin the name with one of {', '.join(PROTOCOLS)}, as in tcp-{name}."
        )
    return Port(name, value)


def parse_address(raw: t.Any, where: str) -> str:
    """The normal form of a VM's address; refuses those that no pod can reach."""
    try:
        address = ipaddress.ip_address(str(raw))
    except ValueError:
        raise RegistrationError(
            f"{where}: {raw!r} is not an IP address. Give the address at which pods reach the VM."
        ) from None
    for kind in ("loopback", "link_local", "unspecified", "multicast"):
        if getattr(address, f"is_{kind}"):
            raise RegistrationError(
                f"{where}: {address} is a {kind.replace('_', '-')} address. "
                "Give the address at which pods reach the VM."
            )
    return str(address)


def parse_registrations(
    raw: t.Sequence[t.Mapping[str, t.Any]], ports_required: bool = True, backend: str = "endpoints"
) -> list[Registration]:
    """Check and normalise a batch. Entries for the same Service are merged; the order of first mention is kept."""
    merged: dict[tuple[str, str], dict[str, VmEndpoint]] = {}
    given: dict[tuple[str, str], dict[str, t.Any]] = {}
    for item in raw:
        namespace, name = str(item.get("namespace") or "default"), str(item.get("name") or "")
        where = f"Service {namespace}/{name}"
        wrong = wrong_names(name, namespace, where)
        if wrong:
            raise RegistrationError(" ".join(wrong))
        ports = tuple(parse_port(port, where) for port in item.get("ports") or [])
        if ports_required and not ports:
            raise RegistrationError(f"{where}: no ports given. Add at least one, for example http:9080.")
        known = merged.setdefault((namespace, name), {})
        for endpoint in _parse_endpoints(item, ports, where, backend if ports_required else ""):
            previous = known.get(endpoint.address)
            known[endpoint.address] = _merge(previous, endpoint, where) if previous else endpoint
        _merge_given(given.setdefault((namespace, name), {}), _parse_given(item, where), where)
    batch = [
        Registration(
            namespace,
            name,
            tuple(known[address] for address in sorted(known, key=_address_key)),
            **given[namespace, name],
        )
        for (namespace, name), known in merged.items()
    ]
    for registration in batch:
        _check_port_names(registration)
    return batch


def wrong_names(name: str, namespace: str, where: str) -> list[str]:
    """What is wrong with the names of a Service and its namespace."""
    found = []
    if not _SERVICE_NAME.fullmatch(name):
        found.append(
            f"{where}: {name!r} is not a valid Service name. "
            "Use lower-case letters, digits and '-', beginning with a letter, 63 characters at most."
        )
    if not _DNS_LABEL.fullmatch(namespace):
        found.append(
            f"{where}: {namespace!r} is not a valid namespace name. Use lower-case letters, digits and '-', 63 at most."
        )
    return found


def _parse_given(item: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    found = {
        "selector": parse_labels(item.get("selector"), f"{where}: selector"),
        "plain_clients": bool(item.get("plain_clients")),
        "probe": item.get("probe") or None,
    }
    return {key: value for key, value in found.items() if value}


def _merge_given(known: dict[str, t.Any], more: dict[str, t.Any], where: str) -> None:
    for key, value in more.items():
        if known.setdefault(key, value) != value:
            raise RegistrationError(f"{where}: {key} is given twice, with different values. Keep one of them.")


def parse_labels(raw: t.Any, where: str) -> Labels:
    labels = raw or {}
    if not isinstance(labels, t.Mapping):
        raise RegistrationError(f"{where}: {raw!r} is no mapping. Write labels as key: value.")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(str(key)) or not _LABEL_VALUE.fullmatch(str(value)):
            raise RegistrationError(
                f"{where}: {key}={value!r} is not a valid label. A value has at most 63 letters, digits, '-', '_' and "
                "'.', and begins and ends with a letter or digit; a key may have a domain before a '/'."
            )
    return tuple(sorted((str(key), str(value)) for key, value in labels.items()))


def _parse_endpoints(
    item: t.Mapping[str, t.Any], ports: tuple[Port, ...], where: str, backend: str
) -> t.Iterator[VmEndpoint]:
    default_account = item.get("service_account") or "default"
    endpoints = item.get("endpoints") or []
    if not endpoints:
        raise RegistrationError(f"{where}: no endpoints given. Add at least one with the address of a VM.")
    for raw in endpoints:
        account = str(raw.get("service_account") or default_account)
        if not _DNS_NAME.fullmatch(account):
            raise RegistrationError(f"{where}: {account!r} is not a valid ServiceAccount name.")
        own = tuple(parse_port(port, where) for port in raw.get("ports") or [])
        address, host = parse_address(raw.get("address"), where), str(raw.get("host") or "")
        endpoint = VmEndpoint(address, own or ports, account, host, **_parse_workload(raw, f"{where}: {address}"))
        if backend in PLAIN_BACKENDS:
            for key in ("weight", "locality"):
                if getattr(endpoint, key):
                    raise RegistrationError(
                        f"{where}: {address} has the {key} {getattr(endpoint, key)!r}, which an object of the backend "
                        f"{backend} cannot hold. Use workload_entry or auto, or leave it out."
                    )
            endpoint = endpoint.plain()
        yield endpoint


def _parse_workload(raw: t.Mapping[str, t.Any], where: str) -> dict[str, t.Any]:
    weight = raw.get("weight")
    if weight is not None and not 1 <= int(weight) <= 2**31 - 1:
        raise RegistrationError(f"{where}: the weight {weight!r} is not a positive number. Use 1 or more.")
    locality, network = str(raw.get("locality") or ""), str(raw.get("network") or "")
    if locality and not _LOCALITY.fullmatch(locality):
        raise RegistrationError(
            f"{where}: the locality {locality!r} is not valid. Write region, region/zone or region/zone/subzone."
        )
    for key, value in (("network", network), ("group", str(raw.get("group") or ""))):
        if value and not _DNS_NAME.fullmatch(value):
            raise RegistrationError(f"{where}: the {key} {value!r} is not valid. Use lower-case letters, digits, '-'.")
    return {
        "weight": None if weight is None else int(weight),
        "locality": locality,
        "network": network,
        "labels": parse_labels(raw.get("labels"), f"{where}: labels"),
        "group": str(raw.get("group") or ""),
        "probe": _parse_probe(raw.get("probe"), where),
    }


def _parse_probe(raw: t.Any, where: str) -> t.Mapping[str, t.Any] | None:
    if not raw:
        return None
    kinds = sorted(set(raw) & set(PROBES)) if isinstance(raw, t.Mapping) else []
    if len(kinds) != 1:
        raise RegistrationError(
            f"{where}: the probe {raw!r} is not valid. Give it exactly one of {', '.join(PROBES)}, as in "
            "tcpSocket: {port: 9080}."
        )
    return dict(raw)


def _merge(first: VmEndpoint, second: VmEndpoint, where: str) -> VmEndpoint:
    if first.service_account != second.service_account:
        raise RegistrationError(
            f"{where}: {first.address} is listed with the ServiceAccounts {first.service_account!r} and "
            f"{second.service_account!r}. A VM has one identity per Service: keep one of them."
        )
    ports = dict.fromkeys((*first.ports, *second.ports))
    merged = first._replace(ports=tuple(ports), host=first.host or second.host)
    for key in ("weight", "locality", "network", "labels", "group", "probe"):
        one, other = getattr(first, key), getattr(second, key)
        if one and other and one != other:
            raise RegistrationError(f"{where}: {first.address} is listed twice with different {key}. Keep one of them.")
        merged = merged._replace(**{key: one or other})
    return merged


def _check_port_names(registration: Registration) -> None:
    """A Service has each port name and each port number once, whichever VM brings them."""
    by_name: dict[str, Port] = {}
    by_number: dict[tuple[int, str], Port] = {}
    for endpoint in registration.endpoints:
        for port in endpoint.ports:
            clash = by_name.setdefault(port.name, port)
            other = by_number.setdefault((port.number, port.transport), port)
            if clash != port or other != port:
                raise RegistrationError(
                    f"Service {registration.label}: ports {clash if clash != port else other} and {port} exclude each "
                    f"other. Give every port number one name of its own, as in http-web:{port.number}."
                )


def by_namespace(batch: t.Sequence[Registration]) -> dict[str, list[Registration]]:
    found: dict[str, list[Registration]] = {}
    for registration in batch:
        found.setdefault(registration.namespace, []).append(registration)
    return found


def duplicate_address_warnings(batch: t.Sequence[Registration]) -> list[str]:
    """Addresses that appear under the names of several hosts: usually a copied line of an inventory."""
    hosts: dict[str, set[str]] = {}
    for registration in batch:
        for endpoint in registration.endpoints:
            if endpoint.host:
                hosts.setdefault(endpoint.address, set()).add(endpoint.host)
    return [
        f"Address {address} is registered for several hosts: {', '.join(sorted(names))}. Pods see them as one."
        for address, names in sorted(hosts.items())
        if len(names) > 1
    ]


def _address_key(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)
