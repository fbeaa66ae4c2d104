# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the preflight role says about the hosts, from what was found on them. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..exposure.backends import EXTERNAL_IPS, LOAD_BALANCER
from ..networks import address
from ..register.hosts import registrations
from ..register.model import RegistrationError, parse_address
from ..sidecar.package import Offer, is_url, refusal
from ..site import Site, Vm
from ..unseen import Look, unreachable, unseen
from . import become

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
# By more than this, certificates are not valid yet, or not any more, on one side.
_CLOCK_SECONDS = 60


class Rules(t.NamedTuple):
    """What the role's own variables say."""

    # Distributions, each with its oldest version.
    supported_os: t.Mapping[str, str]
    # The role real_server may set arp_ignore and arp_announce.
    manage_arp: bool = False
    # Of VRRP among directors; 0 is the virtual address's last byte.
    router_id: int = 0
    # The role director may replace a configuration of keepalived.
    takeover: bool = False


def host_findings(site: Site, looks: Looks, rules: Rules, backend: str = "") -> t.Iterator[str]:
    """C(backend) is how the nodes are made to accept the virtual address, if that is known."""
    for name, look in looks.items():
        if name in site.vms:
            yield from _vm_services(site.vms[name])
            yield from _vm_checksum(site.packages.get(name, ""), look)
        if "system" not in look:
            # Of directors, one that is reached is enough: the end of the run says that the other one was not.
            hidden = unreachable(look) and name in site.directors and _any_director(site, looks)
            # Of passwords one line speaks for all hosts.
            if not hidden and become.password(look) is None:
                yield unseen(name, look)
            continue
        yield from _system(name, look["system"])
        if name not in site.directors:
            yield from clock(name, look, "certificates would be taken for not yet or no longer valid")
        if name in site.nodes:
            yield from _node(site, name, look, rules)
            yield from _external_ips(name, look, backend)
        if name in site.vms:
            yield from _vm(site, site.vms[name], look, rules)


def _any_director(site: Site, looks: Looks) -> bool:
    return any("system" in looks.get(name, {}) for name in site.directors)


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


def clock(name: str, look: Look, harm: str) -> t.Iterator[str]:
    ahead = float(look.get("clock") or 0)
    if abs(ahead) > _CLOCK_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        yield (
            f"{name}: its clock is {abs(ahead):.0f} s {direction} the control node's, and {harm}. "
            "Have both follow a time server (timedatectl set-ntp true)."
        )


def _external_ips(name: str, look: Look, backend: str) -> t.Iterator[str]:
    if backend == EXTERNAL_IPS and look.get("external_ips") is False:
        yield (
            f"{name}: kube-proxy ignores the external addresses of Services (feature gate AllowServiceExternalIPs is "
            "off), so nothing would answer there on the virtual address. Set mesh_exposure_backend: "
            f"{LOAD_BALANCER}, or switch the gate on."
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


def _vm_checksum(source: str, look: Look) -> t.Iterator[str]:
    if is_url(source) and "checksum" in look and not look["checksum"]:
        yield (
            f"mesh_sidecar_checksum: not set, and the sidecar package comes from the URL {source}. Set it to sha256: "
            "and its value or the URL of a checksum file."
        )


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
