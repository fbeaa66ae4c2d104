#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_look
short_description: Look at a host for all that would make a run fail there
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads in one go what the role P(mesh.expansion.preflight#role) judges, and changes nothing.
  - Needs root on a director. Without it, nothing of a director but its system is looked at; RV(root) tells.
options:
  kinds:
    description: What the host is; decides what is looked at beyond the system itself.
    type: list
    elements: str
    choices: [director, node, vm]
    required: true
  vip:
    description: The virtual address, which a director probes for.
    type: str
    default: ""
  end_to_end:
    description: Whether a director is to ask nodes through O(vip), for which it needs O(health_address).
    type: bool
    default: false
  health_address:
    description: The address that a director asks from. Looked at with O(end_to_end).
    type: str
    default: ""
  package:
    description: URL of the sidecar package, which a VM will fetch. Nothing is fetched when it is empty.
    type: str
    default: ""
  allow_downgrade:
    description: Whether the installed sidecar package of a VM may give way to an older one.
    type: bool
    default: false
  traffic:
    description: What must get through the host's packet filter, as P(mesh.expansion.preflight_traffic#filter)
      returns it.
    type: list
    elements: dict
    default: []
  now:
    description: The control node's time, in seconds since 1970, which the host's own is compared with; 0 compares none.
    type: float
    default: 0
  roles:
    description: What the roles of the host would tell their modules, as P(mesh.expansion.preflight_roles#filter)
      returns it; the host is looked at as by these modules.
    type: dict
    default: {}
    suboptions:
      director:
        description: What M(mesh.expansion.director_look) takes.
        type: dict
      real_server:
        description: What M(mesh.expansion.real_server_look) takes.
        type: dict
      resolver:
        description: What M(mesh.expansion.dnsmasq_look) takes.
        type: dict
      sidecar:
        description: What M(mesh.expansion.istio_sidecar_look) takes.
        type: dict
      verify:
        description: What M(mesh.expansion.verify_vm) takes beside what the other two take.
        type: dict
extends_documentation_fragment:
  - mesh.expansion._attributes.info
requirements:
  - iproute2 and systemd on the managed host
  - dpkg on a VM
"""

EXAMPLES = r"""
- name: Look at the director
  mesh.expansion.preflight_look:
    kinds: [director]
    vip: 192.168.0.62
    now: "{{ now().timestamp() }}"
  register: look
"""

RETURN = r"""
system:
  description: Kernel, service manager, versions of Python and of the distribution, machine,
    interfaces and IPv4 addresses.
  returned: success
  type: dict
root:
  description: Whether the module ran as root.
  returned: success
  type: bool
  sample: true
user:
  description: Name of the user that the module ran as.
  returned: success
  type: str
  sample: root
clock:
  description: By how many seconds the host's clock is ahead of O(now).
  returned: with O(now)
  type: float
  sample: 0.4
external_ips:
  description: Whether kube-proxy heeds the external addresses of Services, where it tells that.
  returned: for a node whose kube-proxy tells
  type: bool
  sample: true
ip_vs:
  description: Whether the kernel has the Linux Virtual Server or can load it, and the error if not.
  returned: for a director
  type: dict
  sample: {usable: true, error: ""}
keepalived:
  description: Whether keepalived runs, whether its configuration is somebody else's, and whether the host is kept from
    holding the virtual address.
  returned: for a director
  type: dict
  sample: {active: true, foreign: false, standby: false}
packet_filter:
  description: What of O(traffic) the packet filter keeps, or may keep, and by which chain; the services that set up
    rules; chains that iptables cannot use; the networks of the host's interfaces; and whether the rules of
    nftables.service take away all others.
  returned: as root
  type: dict
  sample:
    error: ""
    clashes: []
    flushes: false
    kept: []
    networks: [{engine: false, interface: eth0, network: 192.168.0.0/24}]
    units: {nftables.service: {active: true, enabled: true}}
probe:
  description: Interface in whose subnet the virtual address is, its hardware address, whether the host has the
    address, who else answers for it, and the adverts of VRRP that were heard meanwhile.
  returned: for a director, with an IPv4 O(vip)
  type: dict
  sample: {interface: eth0, held: false, answered_by: [], error: "", hardware: "52:54:00:12:34:56", adverts: []}
director:
  description: What M(mesh.expansion.director_look) would return. Missing where it would fail.
  returned: for a director, as root, with O(roles.director)
  type: dict
real_server:
  description: What M(mesh.expansion.real_server_look) would return. Missing where it would fail.
  returned: for a node, with O(roles.real_server)
  type: dict
resolver:
  description: What M(mesh.expansion.dnsmasq_look) would return. Missing where it would fail.
  returned: for a VM, as root, with O(roles.resolver)
  type: dict
sidecar:
  description: What M(mesh.expansion.istio_sidecar_look) would return. Missing where it would fail.
  returned: for a VM, as root, with O(roles.sidecar)
  type: dict
verified:
  description: What M(mesh.expansion.verify_vm) would return, without waiting for anything.
  returned: for a VM on which neither role has anything to do and every check holds, with O(roles.verify)
  type: dict
asking:
  description: The address that services are asked from as it was given, the interface that O(vip) belongs on, all of
    the host's addresses with interface and prefix length, who else answers for that address, and whether the kernel
    has C(macvlan) or can load it, and the error if not.
  returned: for a director, with O(end_to_end)
  type: dict
  sample:
    address: 192.168.0.65
    interface: eth0
    places: [[eth0, 192.168.0.61, 24]]
    claimed_by: []
    macvlan: {usable: true, error: ""}
arp:
  description: The settings C(arp_ignore) and C(arp_announce) of all interfaces.
  returned: for a node
  type: dict
  sample: {arp_ignore: 0, arp_announce: 0}
package:
  description: What M(mesh.expansion.deb_package_info) returns of O(package), and the URL itself as C(source).
  returned: for a VM, with O(package)
  type: dict
installed:
  description: Version of the installed sidecar package that no older one may replace; empty without a package, and with
    O(allow_downgrade).
  returned: for a VM
  type: str
  sample: 1.0.5
"""

import ipaddress
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import (
    addresses,
    arp,
    deb_source,
    packages,
    system,
    vrrp,
)
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.firewall import look as firewall
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import IpvsError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import roles as as_roles
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule

SECONDS = 20


def probe(vip: str) -> dict[str, t.Any] | None:
    """Whether the virtual address is free; None when it is no IPv4 address, which is said elsewhere."""
    try:
        address = ipaddress.IPv4Address(vip)
    except ValueError:
        return None
    _interfaces, places = addresses.look()
    homes = addresses.home_of(places, address)
    seen: dict[str, t.Any] = {"interface": homes[0] if homes else "", "answered_by": [], "error": ""}
    seen["held"] = bool(addresses.of_address(places, address))
    if not homes:
        return {**seen, "hardware": "", "adverts": []}
    seen["hardware"] = addresses.hardware(homes[0])
    # As long as the address is asked for.
    with ThreadPoolExecutor(max_workers=1) as pool:
        heard = pool.submit(vrrp.listen, homes[0], 1.5)
        try:
            seen["answered_by"] = arp.probe(homes[0], vip, 3, 0.5)
        except HostError as exc:
            seen["error"] = str(exc)
        seen["adverts"] = heard.result()
    return seen


def asking(vip: str, given: str) -> dict[str, t.Any]:
    """What is judged of the address that services are asked from."""
    _interfaces, places = addresses.look()
    shown = [(place.interface, str(place.address), place.prefix) for place in places]
    seen: dict[str, t.Any] = {"address": given, "interface": "", "places": shown, "claimed_by": []}
    seen["macvlan"] = system.macvlan()
    try:
        homes = addresses.home_of(places, ipaddress.ip_address(vip))
        address = ipaddress.ip_address(given)
    except ValueError:
        # What is no address is said by whoever judges.
        return seen
    if homes:
        seen["interface"] = homes[0]
        seen["claimed_by"] = arp.probe(homes[0], str(address), 2, 0.3) if address.version == 4 else []
    return seen


def installed() -> str:
    """Version of the sidecar package; a host without dpkg has none, and the findings say that it is not supported."""
    try:
        return packages.installed().get(layout.PACKAGE, "")
    except HostError:
        return ""


def of_role(
    options: t.Mapping[str, t.Any] | None, look: t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any] | None]
) -> dict[str, t.Any] | None:
    """What a role would see; None where it cannot look, which it says by itself when its turn comes."""
    try:
        return look(options) if options else None
    except (HostError, IpvsError, MeshError, OSError):
        return None


def kept(sidecar: t.Mapping[str, t.Any] | None) -> str:
    """The file of the package where this host has it already, so that nobody needs to be asked for it."""
    return "" if not sidecar or sidecar["package"]["fetch"] else str(sidecar["package"]["file"])


def look(
    kinds: t.Sequence[str],
    vip: str,
    package: str,
    allow_downgrade: bool,
    traffic: t.Sequence[t.Mapping[str, t.Any]] = (),
    now: float = 0,
    end_to_end: bool = False,
    health_address: str = "",
    roles: t.Mapping[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    # At first, before anything takes its time.
    told = roles or {}
    seen: dict[str, t.Any] = {"clock": round(time.time() - now, 1) if now else None, "system": system.facts()}
    seen.update(system.user())
    if seen["root"]:
        seen["packet_filter"] = firewall.look(traffic)
    if "director" in kinds and seen["root"]:
        # Here, since to load it takes a VM a tenth of a second.
        from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import standing

        seen.update(ip_vs=system.ip_vs(), probe=probe(vip), keepalived=standing.look())
        seen["asking"] = asking(vip, health_address) if end_to_end else None
        seen["director"] = of_role(told.get("director"), as_roles.director)
    if "node" in kinds:
        seen.update(arp=system.arp_settings(), external_ips=system.external_ips())
        seen["real_server"] = of_role(told.get("real_server"), as_roles.real_server)
    if "vm" in kinds:
        seen["installed"] = "" if allow_downgrade else installed()
    if "vm" in kinds and seen["root"]:
        seen["resolver"] = of_role(told.get("resolver"), as_roles.resolver)
        seen["sidecar"] = of_role(told.get("sidecar"), as_roles.sidecar)
        seen["verified"] = of_role(told if told.get("verify") else None, lambda told: as_roles.verified(told, seen))
    if "vm" in kinds and package:
        seen["package"] = {"source": package, **deb_source.inspect(kept(seen.get("sidecar")) or package, SECONDS)}
    return {name: value for name, value in seen.items() if value is not None}


_ROLES = ("director", "real_server", "resolver", "sidecar", "verify")
_KINDS = {
    "now": _options.SINCE,
}


def main() -> None:
    module = NestedModule(
        argument_spec={
            "kinds": {"type": "list", "elements": "str", "choices": ["director", "node", "vm"], "required": True},
            "vip": {"type": "str", "default": ""},
            "package": {"type": "str", "default": ""},
            "allow_downgrade": {"type": "bool", "default": False},
            "traffic": {"type": "list", "elements": "dict", "default": []},
            "now": {"type": "float", "default": 0},
            "end_to_end": {"type": "bool", "default": False},
            "health_address": {"type": "str", "default": ""},
            "roles": {
                "type": "dict",
                "default": {},
                "options": {name: {"type": "dict"} for name in _ROLES},
            },
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    try:
        module.exit_json(changed=False, **look(**module.params))
    except HostError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
