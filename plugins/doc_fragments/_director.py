# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules of the role director. Private to the collection."""

    DOCUMENTATION = r"""
options:
  vip:
    description: The virtual address, IPv4 or IPv6.
    type: str
    required: true
  state:
    description:
      - What is wanted. V(present) is a host that forwards O(services), now and after a boot;
        V(absent) is the host as it was before.
      - V(drained) takes O(node) out of all services of the kernel's table and of the saved one, V(undrained) puts it
        back with the weights that it had.
    type: str
    choices: [present, absent, drained, undrained]
    default: present
  services:
    description:
      - The virtual services, as O(mesh.expansion.ipvs_table#module:services) takes them.
        They are saved as they are given.
      - Services on other addresses than O(vip) are left alone when they are no longer listed.
    type: list
    elements: dict
    default: []
  sysctls:
    description: Kernel settings by name.
    type: dict
    default: {}
  interface:
    description: Interface that holds the address. Empty means the one whose subnet it is in.
    type: str
    default: ""
  python:
    description: Python that runs the loader at boot.
    type: path
    default: /usr/bin/python3
  ipvsadm_boot:
    description: What to do when Debian's package C(ipvsadm) loads a table of its own at boot.
    type: str
    choices: [refuse, takeover]
    default: refuse
  node:
    description: Address of the node, for O(state=drained) and O(state=undrained).
    type: str
  host:
    description: What messages call the host.
    type: str
    default: this host
  managed:
    description: What stands in the first line of the files.
    type: str
    default: Ansible managed
requirements:
  - Linux kernel with IPVS (module C(ip_vs)), iproute2 and systemd on the managed host
notes:
  - Needs root, so use C(become).
"""
