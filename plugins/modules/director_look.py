#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: director_look
short_description: What is on an IPVS director, and what would have to be changed
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Looks at everything that the role P(mesh.expansion.director#role) decides by, in one step. Changes nothing.
  - Asks the neighbours by ARP whether another host has the virtual address, as long as this one has not.
extends_documentation_fragment:
  - mesh.expansion._director
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.director_apply
"""

EXAMPLES = r"""
- name: See whether the director is as it should be
  mesh.expansion.director_look:
    vip: 192.168.0.62
    services:
      - tcp_service: 192.168.0.62:443
        scheduler: wrr
        real_servers:
          - real_server: 192.168.0.71:443
  register: director
  failed_when: director.failed or director.operations | length > 0
"""

RETURN = r"""
interface:
  description: The interface that holds the virtual address, or would; empty when there is no choice or more than one.
  returned: success
  type: str
  sample: eth0
places:
  description: Where the virtual address is, as interface and prefix length.
  returned: success
  type: list
  elements: str
  sample: [eth0/32]
refusals:
  description: What would do harm, with the way out. M(mesh.expansion.director_apply) fails with it.
  returned: success
  type: list
  elements: str
  sample: []
operations:
  description:
    - What M(mesh.expansion.director_apply) would do, in this order.
      Steps of the table have the form of C(ipvsadm) command lines.
    - Empty when there are RV(refusals).
  returned: success
  type: list
  elements: str
  sample: ["-a -t 192.168.0.62:443 -r 192.168.0.71:443 -g -w 1", "write /etc/mesh-expansion/ipvs.json"]
drained:
  description: Addresses of the nodes that are out of service.
  returned: success
  type: list
  elements: str
  sample: [192.168.0.72]
dropping:
  description: Chains of the packet filter that drop incoming packets by default.
  returned: success
  type: list
  elements: str
  sample: [ip filter INPUT]
keepalived:
  description: How keepalived stands on this host.
  returned: with O(ha=keepalived) or O(health=keepalived)
  type: dict
  contains:
    active:
      description: Whether it runs.
      type: bool
      sample: true
    standby:
      description: Whether this director is kept from holding the address.
      type: bool
      sample: false
    unfit:
      description: Why this host should not be given the address now.
      type: list
      elements: str
      sample: []
    synchronisation:
      description: What the kernel does with connections, V(master) sends and V(backup) receives them.
      type: list
      elements: str
      sample: [backup]
    answered_by:
      description: Hardware addresses of the other hosts that answer for O(vip).
      type: list
      elements: str
      sample: ["52:54:00:12:34:56"]
    check:
      description: What nodes are asked for, V(kube_proxy), V(end_to_end) or V(none).
      type: str
      sample: kube_proxy
    failing:
      description: Nodes that a check has taken out of a service at least, and that do not answer now.
      type: list
      elements: str
      sample: []
    failing_services:
      description: By node, the services that it is out of.
      type: dict
      sample: {192.168.0.73: ["tcp 192.168.0.62:15012"]}
turn:
  description: When this director is to be changed, V(first), V(middle) or V(last), so that one is always left.
  returned: with O(ha=keepalived) or O(health=keepalived)
  type: str
  sample: middle
node:
  description: What O(node) is for the kernel's table.
  returned: with O(state=drained) or O(state=undrained)
  type: dict
  contains:
    drained:
      description: Whether it is out of service.
      type: bool
      sample: false
    last_of:
      description: The services that no other real server would take connections for.
      type: list
      elements: str
      sample: [tcp 192.168.0.62:443]
    services:
      description: Its services, with its real servers only, as M(mesh.expansion.ipvs_table)
        takes them to drain the node.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import IpvsError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import work


def main() -> None:
    module = AnsibleModule(work.spec(), required_if=work.REQUIRED_IF, supports_check_mode=True)
    _options.refuse(module, _options.wrong(module.params, work.KINDS))
    try:
        result = work.look_at(module.params)
    except (HostError, IpvsError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
