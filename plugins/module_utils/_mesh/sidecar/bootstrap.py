# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""The sidecar's bootstrap files. Pure: text in, text out."""

from __future__ import annotations

import ipaddress
import re
import typing as t

CONTROL_PLANE_AUTH = ("MUTUAL_TLS", "NONE")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./*-]*\Z")


class BootstrapError(ValueError):
    """The values given do not make usable bootstrap files."""


def inbound_ports(vm_services: t.Sequence[t.Mapping[str, t.Any]], management_ports: t.Sequence[int] = (22,)) -> str:
    """The ports whose incoming connections go through the sidecar, as C(ISTIO_INBOUND_PORTS) wants them."""
    ports = set()
    for service in vm_services:
        name = service.get("name", "without a name")
        try:
            port = int(service["port"])
        except (KeyError, TypeError, ValueError):
            raise BootstrapError(f"VM service {name}: port is {service.get('port')!r}, not a number") from None
        if not 1 <= port <= 65535:
            raise BootstrapError(f"VM service {name}: port {port} is not between 1 and 65535")
        if port in {int(item) for item in management_ports}:
            raise BootstrapError(
                f"VM service {name}: port {port} is a management port; "
                "the sidecar would cut off the access to this host"
            )
        ports.add(port)
    return ",".join(str(port) for port in sorted(ports))


def cluster_env(
    service_cidr: str, istio_namespace: str = "istio-system", control_plane_auth: str = "MUTUAL_TLS"
) -> dict[str, str]:
    """The content of C(cluster.env): what the VM must know about the cluster."""
    if control_plane_auth not in CONTROL_PLANE_AUTH:
        raise BootstrapError(
            f"control plane authentication is {control_plane_auth!r}: use one of {', '.join(CONTROL_PLANE_AUTH)}"
        )
    try:
        network = str(ipaddress.ip_network(service_cidr))
    except ValueError as exc:
        raise BootstrapError(f"the Service CIDR is not usable: {exc}") from None
    return {
        "ISTIO_SERVICE_CIDR": network,
        "ISTIO_SYSTEM_NAMESPACE": istio_namespace,
        "ISTIO_CP_AUTH": control_plane_auth,
    }


def sidecar_env(
    vm_services: t.Sequence[t.Mapping[str, t.Any]],
    address: str,
    namespace: str = "default",
    management_ports: t.Sequence[int] = (22,),
) -> dict[str, str]:
    """What C(sidecar.env) must say about this VM."""
    return {
        "ISTIO_INBOUND_PORTS": inbound_ports(vm_services, management_ports),
        # The scripts' own comment names another variable, which nothing reads.
        "ISTIO_LOCAL_EXCLUDE_PORTS": ",".join(str(port) for port in management_ports),
        # Otherwise the scripts take the first address of the host name, 127.0.1.1 on many hosts.
        "ISTIO_SVC_IP": reachable_address(address),
        "ISTIO_NAMESPACE": namespace,
        # Unless this is set, the scripts flush the host's IPv6 filter and reject everything that comes in over IPv6.
        "ENABLE_INBOUND_IPV6": "true",
    }


def reachable_address(address: str) -> str:
    """The address in its usual form, if it can be one that pods reach."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise BootstrapError(f"the VM's address is {address!r}, not an IP address") from None
    if parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified or parsed.is_multicast:
        raise BootstrapError(
            f"the VM's address {parsed} cannot be reached by pods: "
            "name the address of the interface that leads to the cluster"
        )
    return str(parsed)


def env_line(key: str, value: t.Any) -> str:
    """One line of a file that shell scripts source."""
    if not _KEY.match(key):
        raise BootstrapError(f"{key!r} is not a name of an environment variable")
    text = str(value)
    if "\n" in text:
        raise BootstrapError(f"the value of {key} has a line break")
    quoted = text if _SAFE.match(text) else "'" + text.replace("'", "'\\''") + "'"
    return f"{key}={quoted}"


def edit_env(text: str, settings: t.Mapping[str, t.Any], unset: t.Iterable[str] = ()) -> str:
    """Set our keys in an environment file and take out others; every other line stays as it is.

    A value is put in the place of the key's last line; further lines of the same key go, for the last one would win.
    C(None) takes a key out as C(unset) does.
    """
    wanted = {key: value for key, value in settings.items() if value is not None}
    gone = (set(settings) - set(wanted)) | set(unset)
    lines = text.splitlines()
    places: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", line)
        if match:
            places.setdefault(match.group(1), []).append(number)
    drop = {number for key in gone for number in places.get(key, [])}
    for key, value in wanted.items():
        if key not in places:
            lines.append(env_line(key, value))
            continue
        *earlier, last = places[key]
        drop.update(earlier)
        lines[last] = env_line(key, value)
    kept = [line for number, line in enumerate(lines) if number not in drop]
    return "\n".join(kept) + "\n" if kept else ""
