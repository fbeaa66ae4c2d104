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
      - V(standby) keeps this director of a pair from holding the address, also after a boot, and waits until another
        one holds it; V(ready) makes it a candidate again.
    type: str
    choices: [present, absent, drained, undrained, standby, ready]
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
  directors:
    description:
      - All directors that may hold O(vip), each with C(name) and C(address), in the order of their priority.
      - The one whose name is O(host) is this one. Needed with O(ha=keepalived).
    type: list
    elements: dict
    default: []
  ha:
    description:
      - V(none) is a director that holds the address all the time.
      - With V(keepalived) that package holds it on one of O(directors), by VRRP, and has the kernel tell the others of
        its connections.
    type: str
    choices: [none, keepalived]
    default: none
  router_id:
    description: Virtual router id, unique in the segment. V(0) means the last byte of O(vip).
    type: int
    default: 0
  priority:
    description: Priority of this director, up to 254. V(0) means by its place in O(directors).
    type: int
    default: 0
  advert_interval:
    description: Seconds between adverts. Another director takes over after a little more than three of them.
    type: float
    default: 0.3
  health:
    description:
      - With V(keepalived) that package asks each real server's node whether it works, and takes those out that do not
        answer. It writes the kernel's table then, and differences that its checks make are left alone.
    type: str
    choices: [none, keepalived]
    default: none
  health_port:
    description: TCP port of the node that is asked, by default that of kube-proxy's own health.
    type: int
    default: 10256
  health_path:
    description: Path that must answer with the status 200.
    type: str
    default: /healthz
  health_failed:
    description: Whether a node that does not answer gets the weight 0, or is removed, which ends its connections.
    type: str
    choices: [inhibit, remove]
    default: inhibit
  health_quorum:
    description:
      - How many real servers that answer a service must keep. When fewer answer, no more are taken out of it, so that a
        check that all nodes fail at once takes out none. With V(0) all may be taken out.
    type: int
    default: 1
  health_check:
    description:
      - What nodes are asked for. With V(kube_proxy) for O(health_path) at O(health_port) of their own address.
      - With V(end_to_end) for each service at O(vip), through each node, from O(health_address) in a network namespace.
        UDP port 53 has to answer a query, ports of O(health_tls) have to show a certificate of O(health_roots), other
        TCP ports have to take a connection. Of other services nodes are asked as with V(kube_proxy).
    type: str
    choices: [kube_proxy, end_to_end]
    default: kube_proxy
  health_address:
    description:
      - A free address in the subnet of O(vip), another one for each director. Needed with O(health_check=end_to_end).
    type: str
    default: ""
  health_tls:
    description: Names of servers by TCP port, of services that answer with TLS.
    type: dict
    default: {}
  health_roots:
    description:
      - Root certificates of the servers of O(health_tls), in PEM. Empty leaves those that are on the host.
    type: str
    default: ""
  health_dns_name:
    description: What name servers are asked for. Any answer will do.
    type: str
    default: kubernetes.default.svc.cluster.local
  keepalived:
    description:
      - What to do when keepalived has a configuration of somebody else. V(refuse) fails, V(takeover) replaces it, and
        puts it back with O(state=absent).
    type: str
    choices: [refuse, takeover]
    default: refuse
  managed:
    description: What stands in the first line of the files.
    type: str
    default: Ansible managed
requirements:
  - Linux kernel with IPVS (module C(ip_vs)), iproute2 and systemd on the managed host
  - with O(health_check=end_to_end), the kernel module C(macvlan), and a network that takes several hardware addresses
    from one host
  - with O(ha=keepalived) or O(health=keepalived), Debian's package C(keepalived), which is installed
notes:
  - Needs root, so use C(become).
"""
