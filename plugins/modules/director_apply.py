#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: director_apply
short_description: Make a host an IPVS director, or take that back
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Does in one step what M(mesh.expansion.director_look) says is to be done, in this order, kernel modules and
    settings, the loader, the table, the table of the next boot, the virtual address and the unit, or keepalived.
  - What was there before is remembered before the first change.
  - When a step fails, everything that this call changed is put back, and the table that was loaded before stays.
    Loaded modules stay too.
extends_documentation_fragment:
  - mesh.expansion._director
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - module: mesh.expansion.director_look
  - module: mesh.expansion.ipvs_table
"""

EXAMPLES = r"""
- name: Forward a virtual address to two nodes
  mesh.expansion.director_apply:
    vip: 192.168.0.62
    services:
      - tcp_service: 192.168.0.62:443
        scheduler: wrr
        real_servers:
          - real_server: 192.168.0.71:443
          - real_server: 192.168.0.72:443

- name: Take a node out of all services
  mesh.expansion.director_apply:
    vip: 192.168.0.62
    state: drained
    node: 192.168.0.72

- name: Share the address with another director, by keepalived
  mesh.expansion.director_apply:
    vip: 192.168.0.62
    host: lvs1
    ha: keepalived
    health: keepalived
    directors:
      - {name: lvs1, address: 192.168.0.61}
      - {name: lvs2, address: 192.168.0.63}
    services:
      - tcp_service: 192.168.0.62:443
        scheduler: wrr
        real_servers:
          - real_server: 192.168.0.71:443
          - real_server: 192.168.0.72:443
"""

RETURN = r"""
operations:
  description:
    - What was done, or would be in check mode, in this order.
      Steps of the table have the form of C(ipvsadm) command lines.
    - When the module fails, what was done before.
  returned: always
  type: list
  elements: str
  sample: ["-a -t 192.168.0.62:443 -r 192.168.0.71:443 -g -w 1", "write /etc/mesh-expansion/ipvs.json"]
restored:
  description: Whether everything that was done before the failure is put back.
  returned: when a step failed
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host import transaction
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import IpvsError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import work


def main() -> None:
    module = AnsibleModule(work.spec(), required_if=work.REQUIRED_IF, supports_check_mode=True)
    _options.refuse(module, _options.wrong(module.params, work.KINDS))
    transaction.answer(module, work.apply, (HostError, IpvsError))


if __name__ == "__main__":
    main()
