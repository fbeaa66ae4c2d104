#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: real_server_apply
short_description: Prepare a Kubernetes node as a real server behind an IPVS director, or take that back
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Makes the kernel settings that direct routing needs and that O(manage_arp) and
    O(manage_rp_filter) allow, now and at boot.
  - What they were before is remembered before the first change. When a step fails, what this call changed is put back.
extends_documentation_fragment:
  - mesh.expansion._real_server
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - module: mesh.expansion.real_server_look
"""

EXAMPLES = r"""
- name: Let the node leave ARP for the virtual address to the director
  mesh.expansion.real_server_apply:
    vip: 192.168.0.62
    manage_arp: true
"""

RETURN = r"""
operations:
  description:
    - What was done, or would be in check mode, in this order.
    - When the module fails, what was done before.
  returned: always
  type: list
  elements: str
  sample: [set net/ipv4/conf/all/arp_ignore to 1]
restored:
  description: Whether everything that was done before the failure is put back.
  returned: when a step failed
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._host import transaction
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.real_server import work


def main() -> None:
    module = AnsibleModule(work.spec(), supports_check_mode=True)
    transaction.answer(module, work.apply)


if __name__ == "__main__":
    main()
