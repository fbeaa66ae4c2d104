# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_table
short_description: Manage the table of the Linux Virtual Server, or a part of it
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Manages any number of virtual services of the kernel's IPVS table, and their real servers, in one call.
  - Talks to the kernel directly. The program C(ipvsadm) is not needed, nor any Python library.
  - Only what differs is changed, attribute by attribute, so established connections go on.
    Additions come before deletions.
  - All entries are validated before the first write.
options:
  purge:
    description:
      - What happens to entries that are not in O(services).
      - With V(none), they stay.
      - With V(real_servers), real servers of the listed services are removed.
        A service that is listed without real servers keeps its own.
      - With V(services), other services on the addresses O(vips) are removed too.
        Services by firewall mark have no address, so they stay.
      - With V(all), everything else is removed.
    type: str
    choices: [none, real_servers, services, all]
    default: real_servers
  vips:
    description: The virtual addresses that belong to this table alone, for O(purge=services).
    type: list
    elements: str
extends_documentation_fragment:
  - mesh.expansion._ipvs.table
  - mesh.expansion._ipvs.drain
  - mesh.expansion._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - module: mesh.expansion.ipvs_service
  - module: mesh.expansion.ipvs_info
"""

EXAMPLES = r"""
- name: Manage all services of a virtual address
  mesh.expansion.ipvs_table:
    purge: services
    vips: [192.168.0.62]
    services:
      - tcp_service: 192.168.0.62:15011
        scheduler: wrr
        persistent: 300
        real_servers:
          - real_server: 192.168.0.72:15011
          - real_server: 192.168.0.73:15011
      - udp_service: 192.168.0.62:53
        scheduler: wrr
        ops: true
        real_servers:
          - real_server: 192.168.0.71:53
          - real_server: 192.168.0.72:53

- name: Drain one real server of two services
  mesh.expansion.ipvs_table:
    purge: none
    services:
      - tcp_service: 192.168.0.62:15011
        scheduler: wrr
        persistent: 300
        real_servers:
          - real_server: 192.168.0.72:15011
            state: drained
      - udp_service: 192.168.0.62:53
        scheduler: wrr
        ops: true
        real_servers:
          - real_server: 192.168.0.72:53
            state: drained
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
services:
  description: The listed services as they are afterwards, in the form of this module's option.
  returned: success
  type: list
  elements: dict
  sample:
    - udp_service: 192.168.0.62:53
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
  description: Real servers with O(services[].real_servers[].state=drained), and the connections that they still
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

import gc
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _ipvs_module, _packed
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model, options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.reconcile import Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import Wanted


def run(module: t.Any, connect: t.Callable[..., Client] = Client.open) -> None:
    packed = _packed.unpack(module.params["services"])
    if packed is not None:
        module = _packed.Unpacked(module, "services", packed)
    keys: list[model.ServiceKey] = []

    def parse() -> list[Wanted]:
        wanted = _ipvs_module.parse_services(module.params["services"])
        keys.extend(one.service.key for one in wanted)
        return wanted

    def report(outcome: Outcome) -> dict[str, t.Any]:
        return {"services": [options.to_options(outcome.after[key]) for key in keys]}

    vips = module.params["vips"] if module.params["purge"] == "services" else None
    _ipvs_module.run(module, parse, module.params["purge"], vips, report, connect)


def main() -> None:
    # A large table makes many values and no garbage, for which they would be searched again and again.
    gc.disable()
    module = AnsibleModule(
        argument_spec={
            **_ipvs_module.drain_spec(),
            # Their options are documented above, and validated by _ipvs_module.parse_services.
            "services": {"type": "list", "elements": "dict", "required": True},
            "purge": {"type": "str", "choices": ["none", "real_servers", "services", "all"], "default": "real_servers"},
            "vips": {"type": "list", "elements": "str"},
        },
        required_if=[("purge", "services", ["vips"])],
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
