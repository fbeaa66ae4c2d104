# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# One thing to ask a name server for.
_QUERY = r"""
    suboptions:
      name:
        description: The name.
        type: str
        required: true
      type:
        description: The record type.
        type: str
        choices: [A, AAAA]
        default: A
      protocol:
        description: The transport. A truncated answer over UDP is asked for again over TCP.
        type: str
        choices: [udp, tcp]
        default: udp
      expect:
        description: The addresses that must be answered, all of them and no other. Without it, any address will do.
        type: list
        elements: str
      empty:
        description: Expect that the name exists and has no address of this type.
        type: bool
        default: false
"""


class ModuleDocFragment:
    """The options of the modules dnsmasq_look and dnsmasq_apply, and what dns_probe shares with them.
    Private to the collection."""

    DOCUMENTATION = r"""
options:
  state:
    description: Whether the host resolves the mesh's names, or resolves as it did before.
    type: str
    choices: [present, absent]
    default: present
  vip:
    description:
      - The virtual IP that the director holds. Names of the mesh answer with it, and the cluster's DNS is asked there.
      - Required with O(state=present).
    type: str
  service_cidr:
    description:
      - The cluster's Service network; names of its addresses are asked of the cluster's DNS.
      - Required with O(state=present).
    type: str
  services:
    description:
      - The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
      - Required with O(state=present).
    type: list
    elements: dict
  upstreams:
    description: Name servers for all other names. If empty, those that the host used before dnsmasq.
    type: list
    elements: str
    default: []
  address:
    description: The host's own address in C(/etc/hosts). If empty, the source address of its route to O(vip).
    type: str
    default: ""
  hostname:
    description: The host's name in C(/etc/hosts). If empty, the one that it has.
    type: str
    default: ""
  listen_address:
    description: The loopback address that dnsmasq listens on.
    type: str
    default: 127.0.0.1
  resolv_conf_fallback:
    description: Whether the first upstream is the second name server of C(resolv.conf).
    type: bool
    default: true
  packages:
    description: The Debian packages that must be there.
    type: list
    elements: str
    default: [dnsmasq, bind9-host]
  probe_attempts:
    description: How often each name is asked for, with a second between attempts, until it is answered as expected.
    type: int
    default: 10
requirements:
  - Debian's dpkg and apt, systemd and iproute2 on the managed host
"""

    # Annotated: ansible-test reads plain assignments only, and only of one text.
    PROBES: str = (
        r"""
options:
  probe_names:
    description: What dnsmasq must answer before the host is switched to it.
    type: list
    elements: dict
    default: []
"""
        + _QUERY
    )

    # Of the module dns_probe.
    QUERIES: str = (
        r"""
options:
  queries:
    description: What to ask. Names are absolute; no search list is used.
    type: list
    elements: dict
    required: true
"""
        + _QUERY
    )
