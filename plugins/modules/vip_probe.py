#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vip_probe
short_description: Find out whether another host answers for an address
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Sends ARP probes for an IPv4 address, as hosts do before they take an address into use, and reports which neighbours
    claim it. The probes carry no sender address, so they change nothing in any neighbour's tables.
  - The host itself is never reported, whether it holds the address or not.
  - Needs root.
options:
  address:
    description: The IPv4 address.
    type: str
    required: true
  interface:
    description:
      - The interface to probe on. By default the one that has an address in the subnet of O(address);
        when there is none, nothing is sent.
      - Finding it takes the program C(ip).
    type: str
  count:
    description: How many probes to send.
    type: int
    default: 3
  wait:
    description: Seconds to wait for an answer after each probe.
    type: float
    default: 0.5
extends_documentation_fragment:
  - mesh.expansion._attributes.info
requirements:
  - iproute2 on the managed host
"""

EXAMPLES = r"""
- name: See whether the virtual address is free
  mesh.expansion.vip_probe:
    address: 192.168.0.62
  register: probe
  failed_when: probe.failed or probe.answered_by | length > 0
"""

RETURN = r"""
interface:
  description: The interface that was probed on; empty when the address is in no subnet of the host.
  returned: success
  type: str
  sample: eth0
held:
  description: Whether the host itself has the address.
  returned: success
  type: bool
  sample: false
answered_by:
  description: Hardware addresses of the neighbours that claim the address.
  returned: success
  type: list
  elements: str
  sample: ["52:54:00:12:34:56"]
"""

import ipaddress

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import addresses
from ansible_collections.mesh.expansion.plugins.module_utils._host.arp import probe
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError

_KINDS = {
    "interface": _options.INTERFACE,
    "count": _options.ATTEMPTS,
    "wait": _options.SECONDS,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "interface": {"type": "str"},
            "count": {"type": "int", "default": 3},
            "wait": {"type": "float", "default": 0.5},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    count, wait = module.params["count"], module.params["wait"]
    try:
        address = ipaddress.IPv4Address(module.params["address"])
        _interfaces, places = addresses.look()
        homes = addresses.home_of(places, address)
        interface = module.params["interface"] or (homes[0] if homes else "")
        held = bool(addresses.of_address(places, address))
        answered_by = probe(interface, str(address), count, wait) if interface else []
    except ValueError as exc:
        module.fail_json(msg=f"address: {exc}. Give an IPv4 address.")
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, interface=interface, held=held, answered_by=answered_by)


if __name__ == "__main__":
    main()
