# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import textwrap


def _table(documentation: str) -> str:
    """The options of a service as suboptions of a list of services."""
    _options, _newline, service = documentation.strip().partition("\n")
    # What drains is waited for once, so that option belongs to the call and not to a service.
    service = re.sub(r"O\((?!drain_)", "O(services[].", service)
    head = """
options:
  services:
    description: The virtual services.
    type: list
    elements: dict
    required: true
    suboptions:
"""
    return head + textwrap.indent(service, "    ") + "\n"


class ModuleDocFragment:
    """A virtual service with its real servers. Private to the collection."""

    TABLE: str

    DOCUMENTATION = r"""
options:
  tcp_service:
    description:
      - Address and port of a virtual service of TCP, like V(192.168.0.62:53) or V([2001:db8::62]:53).
      - Port 0 stands for all ports and needs O(persistent).
      - Exactly one of O(tcp_service), O(udp_service), O(sctp_service) and O(fwmark_service) names the service.
    type: str
  udp_service:
    description: The same for UDP.
    type: str
  sctp_service:
    description: The same for SCTP.
    type: str
  fwmark_service:
    description: Names a virtual service by the firewall mark of its packets, a number between 1 and 4294967295.
    type: int
  ipv6:
    description: Whether O(fwmark_service) is about IPv6.
    type: bool
    default: false
  scheduler:
    description:
      - The scheduler, for example V(rr), V(wrr), V(lc), V(wlc), V(sh), V(mh).
      - The kernel loads the module C(ip_vs_<scheduler>) if needed.
    type: str
    default: wlc
  sched_flags:
    description:
      - Flags of the scheduler. The first two are for V(sh), the next two for V(mh), the others for any.
    type: list
    elements: str
    choices: [sh-fallback, sh-port, mh-fallback, mh-port, flag-1, flag-2, flag-3]
  ops:
    description: Schedule every packet by itself (one-packet scheduling). For UDP and firewall marks only.
    type: bool
    default: false
  persistent:
    description:
      - For how many seconds a client stays with its real server, up to 31 days.
      - V(0) means no persistence.
    type: int
    default: 0
  netmask:
    description:
      - Which clients persistence takes for one. A prefix length, or for IPv4 a mask like V(255.255.255.0) too.
      - Without it every address is a client of its own.
    type: str
  pe:
    description: The persistence engine, like V(sip).
    type: str
  real_servers:
    description:
      - The real servers.
      - Without this option real servers are neither added nor changed nor removed.
    type: list
    elements: dict
    suboptions:
      real_server:
        description:
          - Address and port of the real server. Without a port it is the port of the service.
          - Except with O(real_servers[].forwarding=masquerading) and firewall marks, the port
            must be that of the service.
        type: str
        required: true
      state:
        description:
          - With V(present), the real server is as described.
          - With V(drained), its weight is set to 0, and the module waits until it has no connections any more or
            O(drain_timeout) is over. Other attributes stay as they are. A real server that is not in the table counts
            as drained.
          - With V(absent), it is removed at once.
        type: str
        choices: [present, drained, absent]
        default: present
      forwarding:
        description: How packets get to it. Direct routing, address translation or a tunnel.
        type: str
        choices: [gatewaying, masquerading, ipip]
        default: gatewaying
      weight:
        description: Its share, between 0 and 2147483647. With V(0) it gets no new connections.
        type: int
        default: 1
      u_threshold:
        description: The number of connections from which on it gets no new ones. V(0) means no limit.
        type: int
        default: 0
      l_threshold:
        description: The number of connections below which it gets new ones again.
        type: int
        default: 0
      tun_type:
        description: The kind of tunnel, with O(real_servers[].forwarding=ipip).
        type: str
        choices: [ipip, gue, gre]
        default: ipip
      tun_port:
        description: The UDP port that the tunnel of O(real_servers[].tun_type=gue) leads to.
        type: int
      tun_flags:
        description: Checksums of the tunnel. V(csum) is for V(gue) and V(gre), V(remcsum) for V(gue) only.
        type: str
        choices: [nocsum, csum, remcsum]
        default: nocsum
"""

    DRAIN = r"""
options:
  drain_timeout:
    description:
      - For how many seconds to wait for the connections of drained real servers. With V(0) there is no wait.
      - Meanwhile the numbers of connections are displayed, and logged on the managed host.
      - That connections are left when the time is over is no failure. The result tells how many.
    type: int
    default: 300
  drain_remove:
    description:
      - Whether to remove drained real servers after the wait.
      - Connections that are left then are interrupted.
    type: bool
    default: false
requirements:
  - Linux kernel with IPVS (module C(ip_vs)) on the managed host
notes:
  - The kernel allows this to root in the initial user namespace only, so use C(become).
    Each network namespace has its own table.
"""


ModuleDocFragment.TABLE = _table(ModuleDocFragment.DOCUMENTATION)
