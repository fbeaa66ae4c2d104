# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about the hosts, from what was found on them. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..register.hosts import registrations
from ..register.model import RegistrationError, parse_address
from .site import Site, ipv4

Host = t.Mapping[str, t.Any]
Hosts = t.Mapping[str, Host]

# Debian's names for what the kernel calls its machine.
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "armhf",
    "i386": "i386",
    "i686": "i386",
    "ppc64le": "ppc64el",
    "s390x": "s390x",
    "riscv64": "riscv64",
}
_OLDEST_PYTHON = (3, 9)


def host_findings(site: Site, hosts: Hosts) -> list[str]:
    groups = site.get("groups") or {}
    found = [*_addresses(site, hosts, groups)]
    for name, host in hosts.items():
        if not host.get("in_play"):
            continue
        if not host.get("reached"):
            found.append(
                f"{name}: it cannot be reached ({host.get('unreached_reason') or 'no reason given'}). Check ansible_host, "
                "the SSH key and the user, or take it out of the inventory."
            )
            continue
        found.extend(_system(name, host))
        if name in (groups.get("director") or []):
            found.extend(_director(site, name, host))
        if name in (groups.get("k8s_nodes") or []):
            found.extend(_node(site, name, host))
        if name in (groups.get("vms") or []):
            found.extend(_vm(site, name, host))
    return found


def _addresses(site: Site, hosts: Hosts, groups: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """Addresses that exclude each other, from the inventory alone."""
    vip = ipv4(site.get("vip"))
    owners: dict[str, str] = {}
    for name, host in hosts.items():
        address = ipv4(host.get("address"))
        if address is None:
            yield f"{name}: its address {host.get('address')!r} is not an IPv4 address. Set ansible_host to its address."
            continue
        if vip is not None and address == vip:
            kind = next((kind for kind in ("director", "k8s_nodes", "vms") if name in (groups.get(kind) or [])), "hosts")
            yield (
                f"mesh_vip: {vip} is the address of {name} in group {kind}. Choose an address that no host has; the director takes it in addition to its own."
            )
        other = owners.setdefault(str(address), name)
        if other != name and "director" in (_group(groups, name), _group(groups, other)):
            yield (
                f"inventory group director: {other} and {name} have the same address {address}, so the director would be "
                "a node or VM as well. Use a machine of its own as director."
            )


def _group(groups: t.Mapping[str, t.Any], name: str) -> str:
    return next((group for group, members in groups.items() if name in (members or [])), "")


def _system(name: str, host: Host) -> t.Iterator[str]:
    facts = host.get("facts") or {}
    if facts.get("system") != "Linux":
        yield f"{name}: it runs {facts.get('system')!r}. Only Linux hosts are supported."
        return
    if facts.get("service_mgr") != "systemd":
        yield f"{name}: its service manager is {facts.get('service_mgr')!r}. Only hosts with systemd are supported."
    version = str(facts.get("python_version") or "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST_PYTHON:
        yield (f"{name}: its Python is {version}. The modules need 3.9 or later: install one and set ansible_python_interpreter to it.")


def _director(site: Site, name: str, host: Host) -> t.Iterator[str]:
    if not host.get("ip_vs_loaded") and host.get("modprobe_rc") != 0:
        yield (
            f"{name}: the kernel module ip_vs cannot be loaded ({host.get('modprobe_error') or 'modprobe failed'}). "
            "Install the kernel's full module package, or use a host (not a container) whose kernel has ip_vs."
        )
    vip = ipv4(site.get("vip"))
    probe = host.get("probe") or {}
    if vip is None or probe.get("skipped", not probe):
        return
    if "interface" not in probe:
        yield f"{name}: it could not be probed whether {vip} is free: {probe.get('msg')}"
        return
    if not probe.get("interface"):
        yield (
            f"mesh_vip: {vip} is in no subnet of the director {name}, so no neighbour would find it there. Choose a free "
            "address in one of the director's subnets."
        )
    if probe.get("answered_by"):
        yield (
            f"mesh_vip: {vip} is answered by another host, hardware address {', '.join(probe['answered_by'])}, seen from "
            f"{name} on {probe.get('interface')}. Choose a free address, or take it off that host."
        )


def _node(site: Site, name: str, host: Host) -> t.Iterator[str]:
    if "kube-ipvs0" not in ((host.get("facts") or {}).get("interfaces") or []) or site.get("manage_arp"):
        return
    ignore, announce = int(host.get("arp_ignore") or 0), int(host.get("arp_announce") or 0)
    if ignore < 1 or announce < 2:
        yield (
            f"{name}: kube-proxy runs in ipvs mode without strictARP (arp_ignore {ignore}, arp_announce {announce}), so "
            f"the node would answer for {site.get('vip')} in the director's place. Set ipvs.strictARP: true in "
            "kube-proxy's configuration and restart it, or allow the role real_server to set both by "
            "real_server_manage_arp: true."
        )


def _vm(site: Site, name: str, host: Host) -> t.Iterator[str]:
    facts = host.get("facts") or {}
    yield from _vm_services(name, host)
    oldest = (site.get("supported_os") or {}).get(facts.get("distribution"))
    version = str(facts.get("distribution_version") or "0")
    if oldest is None or _version(version) < _version(str(oldest)):
        supported = ", ".join(f"{system} {since} or later" for system, since in (site.get("supported_os") or {}).items())
        yield (
            f"{name}: {facts.get('distribution')} {version} is not supported. Use {supported}, or extend preflight_supported_os when you know that it works."
        )
    yield from _vm_package(site, name, host)
    address, present = str(host.get("address")), facts.get("all_ipv4_addresses") or []
    if ipv4(address) is not None and address not in present:
        yield (
            f"{name}: it does not have the address {address} (it has {', '.join(present) or 'none'}), so its sidecar would "
            "not recognise requests to it. Set mesh_vm_address to the address at which pods reach the VM."
        )


def _vm_services(name: str, host: Host) -> t.Iterator[str]:
    if host.get("services") in (None, "", []):
        yield (f"{name}: mesh_vm_services is not set. List what the VM offers, for example [{{name: web, port: 9080, protocol: http}}].")
        return
    try:
        registrations([{**host, "name": name, "address": "192.0.2.1"}], "default", "default")
    except RegistrationError as exc:
        text = str(exc)
        yield text if text.startswith(f"{name}: ") else f"{name}: mesh_vm_services: {text}"
    if ipv4(host.get("address")) is not None:
        try:
            parse_address(host.get("address"), f"{name}: mesh_vm_address")
        except RegistrationError as exc:
            yield str(exc)


def _vm_package(site: Site, name: str, host: Host) -> t.Iterator[str]:
    package, source = host.get("package") or {}, site.get("sidecar_package")
    if package.get("skipped", not package) or source in (None, ""):
        return
    if "exists" not in package:
        yield f"mesh_sidecar_package: {source} could not be looked at from {name}: {package.get('msg')}"
    elif not package.get("exists"):
        yield (
            f"mesh_sidecar_package: {source} cannot be read from {package.get('read_on') or name} "
            f"({package.get('error')}). Correct the path or URL, or make the file available there."
        )
    elif package.get("error"):
        yield (f"mesh_sidecar_package: {source} is not a usable package: {package['error']}. Give the istio-sidecar.deb of your Istio release.")
    else:
        machine = str((host.get("facts") or {}).get("architecture"))
        wanted = _ARCHITECTURES.get(machine, machine)
        if package.get("architecture") not in (wanted, "all"):
            yield (
                f"mesh_sidecar_package: {source} is for the architecture {package.get('architecture')}, but {name} is "
                f"{wanted}. Set mesh_sidecar_package for that host to a package for {wanted}."
            )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
