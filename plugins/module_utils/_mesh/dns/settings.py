# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a VM's resolver, parsed once. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ... import _options
from ..errors import MeshError

QUERY = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["A", "AAAA"], "default": "A"},
    "protocol": {"type": "str", "choices": ["udp", "tcp"], "default": "udp"},
    "expect": {"type": "list", "elements": "str"},
    "empty": {"type": "bool", "default": False},
}
QUERY_KINDS = {"name": _options.HOST, "expect": _options.ADDRESS}
_KINDS = {"packages": _options.PACKAGE, "probe_attempts": _options.ATTEMPTS}
OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "vip": {"type": "str"},
    "service_cidr": {"type": "str"},
    "services": {"type": "list", "elements": "dict"},
    "upstreams": {"type": "list", "elements": "str", "default": []},
    "address": {"type": "str", "default": ""},
    "hostname": {"type": "str", "default": ""},
    "listen_address": {"type": "str", "default": "127.0.0.1"},
    "resolv_conf_fallback": {"type": "bool", "default": True},
    "packages": {"type": "list", "elements": "str", "default": ["dnsmasq", "bind9-host"]},
    "probe_names": {"type": "list", "elements": "dict", "options": QUERY, "default": []},
    "probe_attempts": {"type": "int", "default": 10},
}
REQUIRED_IF = [("state", "present", ["vip", "service_cidr", "services"])]


@dataclasses.dataclass(frozen=True)
class Settings:
    """The options of the modules, of which all are usable."""

    vip: str
    service_cidr: str
    services: t.Sequence[t.Mapping[str, t.Any]]
    upstreams: t.Sequence[str]
    address: str
    hostname: str
    listen_address: str
    resolv_conf_fallback: bool
    packages: t.Sequence[str]
    probe_names: t.Sequence[t.Mapping[str, t.Any]]
    probe_attempts: int


def parse(options: t.Mapping[str, t.Any]) -> Settings:
    """Of the modules' options; what is wrong is told by the name of the role's variable."""
    vip = _address(options["vip"], "dnsmasq_vip (mesh_vip)", "the virtual IP that the director holds")
    listen = _address(options["listen_address"], "dnsmasq_listen_address", "a loopback address, such as 127.0.0.1")
    own = options["address"]
    if own:
        own = _address(
            own, "dnsmasq_address (mesh_vm_address)", "the VM's own address, or nothing to have it looked up"
        )
    if any(char.isspace() or char == "#" for char in options["hostname"]):
        raise MeshError(
            f"dnsmasq_hostname is {options['hostname']!r}, which is no host name. "
            "Give one, or nothing for the host's own."
        )
    _check(options, _KINDS, "dnsmasq_")
    return Settings(
        vip=vip,
        service_cidr=_network(options["service_cidr"]),
        services=_services(options["services"]),
        upstreams=_upstreams(options["upstreams"], listen),
        address=own,
        hostname=options["hostname"],
        listen_address=listen,
        resolv_conf_fallback=options["resolv_conf_fallback"],
        packages=tuple(options["packages"]),
        probe_names=_queries(options["probe_names"]),
        probe_attempts=options["probe_attempts"],
    )


def _address(value: str, variable: str, what: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise MeshError(f"{variable} is {value!r}, which is no IP address. Give {what}.") from None


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as exc:
        raise MeshError(
            f"dnsmasq_service_cidr (mesh_service_cidr) is {value!r}: {exc}. Give the cluster's Service network as the "
            "API server has it (--service-cluster-ip-range), such as 10.96.0.0/12."
        ) from None


def _services(services: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[t.Mapping[str, t.Any], ...]:
    for number, entry in enumerate(services, 1):
        if entry.get("dns_names") and not entry.get("namespace"):
            raise MeshError(
                f"dnsmasq_services: entry {number} ({entry.get('name') or 'without a name'}) has dns_names and no "
                "namespace. Give it one, or leave the variable to its default."
            )
    if not any(entry.get("dns_zone") for entry in services):
        raise MeshError(
            "dnsmasq_services: no entry has a dns_zone, so cluster names could not be resolved. "
            "Expose the cluster's DNS (mesh_exposed_profile, mesh_exposed_services)."
        )
    return tuple(services)


def _upstreams(upstreams: t.Sequence[str], listen: str) -> tuple[str, ...]:
    for value in upstreams:
        # A link-local server carries its interface as a zone.
        _address(
            value.split("%", 1)[0], "dnsmasq_upstreams (mesh_upstream_dns)", "addresses of the site's name servers"
        )
        if value == listen:
            raise MeshError(
                f"dnsmasq_upstreams (mesh_upstream_dns) has {value}, which is dnsmasq itself: queries would loop. Give "
                "the addresses of the site's name servers."
            )
    return tuple(upstreams)


def _queries(queries: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[t.Mapping[str, t.Any], ...]:
    for query in queries:
        _check(query, QUERY_KINDS, f"dnsmasq_probe_names: {query['name']}: ")
    return tuple(queries)


def _check(options: t.Mapping[str, t.Any], kinds: t.Mapping[str, _options.Kind], where: str) -> None:
    wrong = _options.wrong(options, kinds, where)
    if wrong:
        raise MeshError(" ".join(wrong))
