# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about the hosts, from what was found on them. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..networks import address
from ..register.hosts import registrations
from ..register.model import RegistrationError, parse_address
from ..sidecar.package import Offer, refusal
from ..site import Site, Vm

Look = t.Mapping[str, t.Any]
Looks = t.Mapping[str, Look]
"""By host, for those that the run is about: the result of M(mesh.expansion.preflight_look)."""

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


class Rules(t.NamedTuple):
    """What the role's own variables say."""

    # Distributions, each with its oldest version.
    supported_os: t.Mapping[str, str]
    # The role real_server may set arp_ignore and arp_announce.
    manage_arp: bool = False


def host_findings(site: Site, looks: Looks, rules: Rules) -> t.Iterator[str]:
    for name, look in looks.items():
        if name in site.vms:
            yield from _vm_services(site.vms[name])
        if "system" not in look:
            yield _unseen(name, look)
            continue
        yield from _system(name, look["system"])
        if name in site.directors:
            yield from _director(site, name, look)
        if name in site.nodes:
            yield from _node(site, name, look, rules)
        if name in site.vms:
            yield from _vm(site, site.vms[name], look, rules)


def _unseen(name: str, look: Look) -> str:
    reason = str(look.get("msg") or "no reason given").strip()
    if look.get("unreachable") or not look:
        return (
            f"{name}: it cannot be reached ({reason}). Check ansible_host, the SSH key and the user, or "
            "take it out of the inventory."
        )
    return (
        f"{name}: it could not be looked at ({reason}). "
        "Run as root (become), with Python 3.9 or later in ansible_python_interpreter."
    )


def _system(name: str, system: Look) -> t.Iterator[str]:
    if system["system"] != "Linux":
        yield f"{name}: it runs {system['system']!r}. Only Linux hosts are supported."
        return
    if system["service_mgr"] != "systemd":
        yield f"{name}: its service manager is {system['service_mgr']!r}. Only hosts with systemd are supported."
    if _version(system["python_version"])[:2] < _OLDEST_PYTHON:
        yield (
            f"{name}: its Python is {system['python_version']}. The modules need 3.9 or later: "
            "install one and set ansible_python_interpreter to it."
        )


def _director(site: Site, name: str, look: Look) -> t.Iterator[str]:
    if not look["ip_vs"]["usable"]:
        yield (
            f"{name}: the kernel module ip_vs cannot be loaded ({look['ip_vs']['error'] or 'modprobe failed'}). "
            "Install the kernel's full module package, or use a host (not a container) whose kernel has ip_vs."
        )
    probe = look.get("probe")
    if probe is None:
        return
    if probe["error"]:
        yield f"{name}: it could not be probed whether {site.vip} is free: {probe['error']}"
    elif not probe["interface"]:
        yield (
            f"mesh_vip: {site.vip} is in no subnet of the director {name}, so no neighbour would find it there. "
            "Choose a free address in one of the director's subnets."
        )
    if probe["answered_by"]:
        yield (
            f"mesh_vip: {site.vip} is answered by another host, hardware address {', '.join(probe['answered_by'])}, "
            f"seen from {name} on {probe['interface']}. Choose a free address, or take it off that host."
        )


def _node(site: Site, name: str, look: Look, rules: Rules) -> t.Iterator[str]:
    # The interface exists where kube-proxy runs in ipvs mode.
    if "kube-ipvs0" not in look["system"]["interfaces"] or rules.manage_arp:
        return
    ignore, announce = look["arp"]["arp_ignore"], look["arp"]["arp_announce"]
    if ignore < 1 or announce < 2:
        yield (
            f"{name}: kube-proxy runs in ipvs mode without strictARP (arp_ignore {ignore}, arp_announce {announce}), "
            f"so the node would answer for {site.vip} in the director's place. Set ipvs.strictARP: true in "
            "kube-proxy's configuration and restart it, or allow the role real_server to set both by "
            "real_server_manage_arp: true."
        )


def _vm(site: Site, vm: Vm, look: Look, rules: Rules) -> t.Iterator[str]:
    system = look["system"]
    oldest = rules.supported_os.get(system["distribution"])
    version = system["distribution_version"] or "0"
    if oldest is None or _version(version) < _version(str(oldest)):
        supported = ", ".join(f"{name} {since} or later" for name, since in rules.supported_os.items())
        yield (
            f"{vm.name}: {system['distribution']} {version} is not supported. "
            f"Use {supported}, or extend preflight_supported_os when you know that it works."
        )
    yield from _vm_package(vm.name, look)
    if address(vm.address) is not None and vm.address not in system["addresses"]:
        yield (
            f"{vm.name}: it does not have the address {vm.address} (it has "
            f"{', '.join(system['addresses']) or 'none'}), so its sidecar would not recognise requests to it. Set "
            "mesh_vm_address to the address at which pods reach the VM."
        )


def _vm_services(vm: Vm) -> t.Iterator[str]:
    if vm.services in (None, "", [], ()):
        yield (
            f"{vm.name}: mesh_vm_services is not set. List what the VM offers, for example "
            "[{name: web, port: 9080, protocol: http}]."
        )
        return
    try:
        registrations([{**vm.as_dict(), "address": "192.0.2.1"}], vm.namespace, vm.service_account)
    except RegistrationError as exc:
        text = str(exc)
        yield text if text.startswith(f"{vm.name}: ") else f"{vm.name}: mesh_vm_services: {text}"
    if address(vm.address) is not None:
        try:
            parse_address(vm.address, f"{vm.name}: mesh_vm_address")
        except RegistrationError as exc:
            yield str(exc)


def _vm_package(name: str, look: Look) -> t.Iterator[str]:
    package = look.get("package") or {}
    source = package.get("source")
    if not source:
        return
    if not package.get("exists"):
        yield (
            f"mesh_sidecar_package: {source} cannot be read from {package.get('read_on') or name} "
            f"({package.get('error')}). Correct the path or URL, or make the file available there."
        )
    elif package.get("error"):
        yield (
            f"mesh_sidecar_package: {source} is not a usable package: {package['error']}. "
            "Give the istio-sidecar.deb of your Istio release."
        )
    else:
        machine = str(look["system"]["machine"])
        wanted = _ARCHITECTURES.get(machine, machine)
        refused = refusal(Offer(str(source)).with_fields(package), wanted, str(look.get("installed") or ""), False)
        if refused:
            yield f"{name}: mesh_sidecar_package: {refused}"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
