#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: real_server_look
short_description: Whether a Kubernetes node can be a real server behind an IPVS director
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Looks in one step at how kube-proxy works, at addresses, routes and kernel settings, and says
    what breaks direct routing.
  - Changes nothing.
extends_documentation_fragment:
  - mesh.expansion._real_server
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.real_server_apply
"""

EXAMPLES = r"""
- name: See whether the node can be a real server
  mesh.expansion.real_server_look:
    vip: 192.168.0.62
    clients: [192.168.0.81]
  register: node
  failed_when: node.failed or node.refusals | length > 0
"""

RETURN = r"""
interface:
  description: The interface that the director's packets arrive on; empty when there is no choice or more than one.
  returned: success
  type: str
  sample: eth0
mode:
  description: How kube-proxy works; empty when nothing tells.
  returned: success
  type: str
  sample: iptables
settings:
  description: What holds on the interface.
  returned: success
  type: dict
  sample: {arp_ignore: 0, arp_announce: 0, rp_filter: 2}
astray:
  description: Clients whose replies leave through another interface.
  returned: success
  type: list
  elements: str
  sample: []
refusals:
  description: What breaks direct routing, with the way out. M(mesh.expansion.real_server_apply) fails with it.
  returned: success
  type: list
  elements: str
  sample: []
operations:
  description: What M(mesh.expansion.real_server_apply) would do, in this order. Empty when there are RV(refusals).
  returned: success
  type: list
  elements: str
  sample: [set net/ipv4/conf/all/arp_ignore to 1]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server import work


def main() -> None:
    module = AnsibleModule(work.spec(), supports_check_mode=True)
    try:
        result = work.look_at(module.params)
    except HostError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
