# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of the modules of the role real_server. Private to the collection."""

    DOCUMENTATION = r"""
options:
  vip:
    description: The virtual address that the director forwards to this node.
    type: str
    required: true
  state:
    description: V(present) is a node that direct routing works with, V(absent) the node as it was before.
    type: str
    choices: [present, absent]
    default: present
  proxy_mode:
    description: How kube-proxy works. V(auto) finds out; V(none) is for clusters in which
      something else takes its place.
    type: str
    choices: [auto, iptables, nftables, ipvs, none]
    default: auto
  proxy_url:
    description: Where kube-proxy tells its mode.
    type: str
    default: http://127.0.0.1:10249/proxyMode
  interface:
    description: Interface that the director's packets arrive on.
      Empty means the one whose subnet holds the virtual address.
    type: str
    default: ""
  clients:
    description: Addresses of hosts whose connections are forwarded here. What is no IPv4 address is left out.
    type: list
    elements: str
    default: []
  manage_arp:
    description: Whether to set C(arp_ignore) and C(arp_announce), which is done when kube-proxy works in ipvs mode.
    type: bool
    default: false
  manage_rp_filter:
    description: Whether to make C(rp_filter) loose, which is done when replies to a client
      leave through another interface.
    type: bool
    default: false
  host:
    description: What messages call the host.
    type: str
    default: this host
  managed:
    description: What stands in the first line of the file.
    type: str
    default: Ansible managed
requirements:
  - iproute2 on the managed host
notes:
  - Needs root, so use C(become).
"""
