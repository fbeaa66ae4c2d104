# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_service
short_description: Manage one virtual service of the Linux Virtual Server
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Manages one virtual service of the kernel's IPVS table, and its real servers.
  - Talks to the kernel directly. The program C(ipvsadm) is not needed, nor any Python library.
  - Only what differs is changed, attribute by attribute, so established connections go on.
    Additions come before deletions.
  - The whole entry is validated before the first write.
options:
  state:
    description:
      - V(present) makes the service as described.
      - V(absent) removes the service with all its real servers. Only the option that names it counts then.
    type: str
    choices: [present, absent]
    default: present
  real_servers_mode:
    description:
      - With V(exact), real servers that are not in O(real_servers) are removed.
        Without O(real_servers), none is touched.
      - With V(merge), they stay.
    type: str
    choices: [exact, merge]
    default: exact
extends_documentation_fragment:
  - mesh.expansion._ipvs
  - mesh.expansion._ipvs.drain
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - module: mesh.expansion.ipvs_table
  - module: mesh.expansion.ipvs_info
"""

EXAMPLES = r"""
- name: Balance DNS over two servers by direct routing
  mesh.expansion.ipvs_service:
    udp_service: 192.168.0.62:53
    scheduler: wrr
    ops: true
    real_servers:
      - real_server: 192.168.0.71:53
      - real_server: 192.168.0.72:53
        weight: 2

- name: Add one real server, whatever others there are
  mesh.expansion.ipvs_service:
    udp_service: 192.168.0.62:53
    scheduler: wrr
    ops: true
    real_servers_mode: merge
    real_servers:
      - real_server: 192.168.0.73:53

- name: Take a real server out when its connections are gone, after ten minutes at the latest
  mesh.expansion.ipvs_service:
    tcp_service: 192.168.0.62:15011
    scheduler: wrr
    real_servers_mode: merge
    real_servers:
      - real_server: 192.168.0.72:15011
        state: drained
    drain_timeout: 600
    drain_remove: true

- name: Remove a service
  mesh.expansion.ipvs_service:
    fwmark_service: 7
    state: absent
"""

RETURN = r"""
operations:
  description:
    - What was changed, or would be in check mode, in this order, in the form of C(ipvsadm) command lines.
    - When the module fails, what was changed before.
  returned: always
  type: list
  elements: str
  sample: ["-A -u 192.168.0.62:53 -s wrr -o", "-a -u 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1"]
failed_operations:
  description: What the kernel refused, and why.
  returned: when the kernel refused something
  type: list
  elements: dict
  contains:
    operation:
      description: The operation.
      type: str
      sample: -A -t 192.168.0.62:53 -s foo
    reason:
      description: Why it failed and what helps.
      type: str
      sample: "the kernel does not find the scheduler foo (module ip_vs_foo): load it, or choose another"
not_applied:
  description: What was not done because of that.
  returned: when the kernel refused something
  type: list
  elements: str
  sample: ["-a -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 1"]
unknown:
  description: Operations whose result the kernel did not tell.
  returned: when the kernel refused something
  type: list
  elements: str
  sample: []
service:
  description: The service as it is afterwards, in the form of this module's options; V(null) if there is none.
  returned: success
  type: dict
  sample:
    udp_service: 192.168.0.62:53
    scheduler: wrr
    sched_flags: []
    ops: true
    persistent: 0
    real_servers:
      - real_server: 192.168.0.71:53
        forwarding: gatewaying
        weight: 1
        u_threshold: 0
        l_threshold: 0
drained:
  description: Real servers with O(real_servers[].state=drained), and the connections that they still
    had at the end of the wait.
  returned: success
  type: list
  elements: dict
  contains:
    service:
      description: The virtual service.
      type: str
      sample: -t 192.168.0.62:15011
    real_server:
      description: The real server.
      type: str
      sample: 192.168.0.72:15011
    active_connections:
      description: Connections in use.
      type: int
      sample: 0
    inactive_connections:
      description: Connections that are closing, and those of protocols without connections.
      type: int
      sample: 3
    persistent_connections:
      description: Clients bound to the real server by persistence.
      type: int
      sample: 0
    gone:
      description: Whether there are none of any kind.
      type: bool
      sample: false
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _ipvs_module
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import options, plan
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.reconcile import Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def run(module: t.Any, connect: t.Callable[..., Client] = Client.open) -> None:
    entry = {name: module.params[name] for name in options.SERVICE_DEFAULTS}
    parse = options.parse_service if module.params["state"] == "present" else options.parse_absent
    wanted: list[Wanted] = []

    def parsed() -> list[Wanted]:
        wanted.append(parse(entry))
        return wanted

    def report(outcome: Outcome) -> dict[str, t.Any]:
        found = outcome.after.get(wanted[0].service.key)
        return {"service": None if found is None else options.to_options(found)}

    purge = plan.PURGE_SERVERS if module.params["real_servers_mode"] == "exact" else plan.PURGE_NONE
    _ipvs_module.run(module, parsed, purge, None, report, connect)


def main() -> None:
    module = NestedModule(
        argument_spec={
            **_ipvs_module.service_spec(),
            **_ipvs_module.drain_spec(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "real_servers_mode": {"type": "str", "choices": ["exact", "merge"], "default": "exact"},
        },
        mutually_exclusive=_ipvs_module.ONE_KEY,
        required_one_of=_ipvs_module.ONE_KEY,
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
