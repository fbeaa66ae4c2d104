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
  - Needs root for the ARP probe of a director.
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
  package:
    description: URL of the sidecar package, which a VM will fetch. Nothing is fetched when it is empty.
    type: str
    default: ""
  allow_downgrade:
    description: Whether the installed sidecar package of a VM may give way to an older one.
    type: bool
    default: false
extends_documentation_fragment:
  - mesh.expansion._attributes.info
"""

EXAMPLES = r"""
- name: Look at the director
  mesh.expansion.preflight_look:
    kinds: [director]
    vip: 192.168.0.62
  register: look
"""

RETURN = r"""
system:
  description: Kernel, service manager, versions of Python and of the distribution, machine,
    interfaces and IPv4 addresses.
  returned: success
  type: dict
ip_vs:
  description: Whether the kernel has the Linux Virtual Server or can load it, and the error if not.
  returned: for a director
  type: dict
  sample: {usable: true, error: ""}
probe:
  description: Interface in whose subnet the virtual address is, whether the host has the address,
    and who else answers for it.
  returned: for a director, with an IPv4 O(vip)
  type: dict
  sample: {interface: eth0, held: false, answered_by: [], error: ""}
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
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host import addresses, arp, deb_source, packages, system
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout

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
    try:
        if homes:
            seen["answered_by"] = arp.probe(homes[0], vip, 3, 0.5)
    except HostError as exc:
        seen["error"] = str(exc)
    return seen


def installed() -> str:
    """Version of the sidecar package; a host without dpkg has none, and the findings say that it is not supported."""
    try:
        return packages.installed().get(layout.PACKAGE, "")
    except HostError:
        return ""


def look(kinds: t.Sequence[str], vip: str, package: str, allow_downgrade: bool) -> dict[str, t.Any]:
    seen: dict[str, t.Any] = {"system": system.facts()}
    if "director" in kinds:
        seen.update(ip_vs=system.ip_vs(), probe=probe(vip))
    if "node" in kinds:
        seen["arp"] = system.arp_settings()
    if "vm" in kinds:
        seen["installed"] = "" if allow_downgrade else installed()
    if "vm" in kinds and package:
        seen["package"] = {"source": package, **deb_source.inspect(package, SECONDS)}
    return {name: value for name, value in seen.items() if value is not None}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kinds": {"type": "list", "elements": "str", "choices": ["director", "node", "vm"], "required": True},
            "vip": {"type": "str", "default": ""},
            "package": {"type": "str", "default": ""},
            "allow_downgrade": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **look(**module.params))
    except HostError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
