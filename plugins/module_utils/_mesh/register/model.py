# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registration of VMs behind a Service consists of, checked and normalised. Private to the collection."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from .endpoints import Port

# Pilot takes the text before the first '-' of a port's name as its protocol; anything else silently becomes plain TCP.
PROTOCOLS = ("tcp", "udp", "grpc", "http", "http2", "https", "tls", "mongo", "redis")

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class RegistrationError(Exception):
    """A registration that cannot be carried out; the text is fit for a user."""


class VmEndpoint(t.NamedTuple):
    """One VM behind a Service."""

    address: str
    ports: tuple[Port, ...]
    service_account: str
    host: str = ""


class Registration(t.NamedTuple):
    """One Service and the VMs that serve it."""

    namespace: str
    name: str
    endpoints: tuple[VmEndpoint, ...]

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


def parse_registrations(raw: t.Sequence[t.Mapping[str, t.Any]], ports_required: bool = True) -> list[Registration]:
    """Check and normalise a batch. Entries for the same Service are merged; the order of first mention is kept."""
    merged: dict[tuple[str, str], dict[str, VmEndpoint]] = {}
    for item in raw:
        namespace, name = str(item.get("namespace") or "default"), str(item.get("name") or "")
        where = f"Service {namespace}/{name}"
        if not _SERVICE_NAME.fullmatch(name):
            raise RegistrationError(
                f"{where}: {name!r} is not a valid Service name. "
                "Use lower-case letters, digits and '-', beginning with a letter, 63 characters at most."
            )
        if not _DNS_LABEL.fullmatch(namespace):
            raise RegistrationError(f"{where}: {namespace!r} is not a valid namespace name.")
        ports = tuple(parse_port(port, where) for port in item.get("ports") or [])
        if ports_required and not ports:
            raise RegistrationError(f"{where}: no ports given. Add at least one, for example http:9080.")
        known = merged.setdefault((namespace, name), {})
        for endpoint in _parse_endpoints(item, ports, where):
            previous = known.get(endpoint.address)
            known[endpoint.address] = _merge(previous, endpoint, where) if previous else endpoint
    batch = [
        Registration(namespace, name, tuple(known[address] for address in sorted(known, key=_address_key)))
        for (namespace, name), known in merged.items()
    ]
    for registration in batch:
        _check_port_names(registration)
    return batch


def _parse_endpoints(item: t.Mapping[str, t.Any], ports: tuple[Port, ...], where: str) -> t.Iterator[VmEndpoint]:
    default_account = item.get("service_account") or "default"
    endpoints = item.get("endpoints") or []
    if not endpoints:
        raise RegistrationError(f"{where}: no endpoints given. Add at least one with the address of a VM.")
    for raw in endpoints:
        account = str(raw.get("service_account") or default_account)
        if not _DNS_NAME.fullmatch(account):
            raise RegistrationError(f"{where}: {account!r} is not a valid ServiceAccount name.")
        own = tuple(parse_port(port, where) for port in raw.get("ports") or [])
        yield VmEndpoint(parse_address(raw.get("address"), where), own or ports, account, str(raw.get("host") or ""))


def _merge(first: VmEndpoint, second: VmEndpoint, where: str) -> VmEndpoint:
    if first.service_account != second.service_account:
        raise RegistrationError(
            f"{where}: {first.address} is listed with the ServiceAccounts {first.service_account!r} and "
            f"{second.service_account!r}. A VM has one identity per Service: keep one of them."
        )
    ports = dict.fromkeys((*first.ports, *second.ports))
    return first._replace(ports=tuple(ports), host=first.host or second.host)


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
