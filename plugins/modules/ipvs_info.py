# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipvs_info
short_description: Read the table of the Linux Virtual Server
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Returns virtual services and real servers with connection counts and statistics, and the version and the
    timeouts of the kernel's IPVS.
  - Talks to the kernel directly. The program C(ipvsadm) is not needed, nor any Python library.
options:
  vips:
    description: Return only virtual services on these addresses.
      Without it, all are returned, those by firewall mark too.
    type: list
    elements: str
extends_documentation_fragment:
  - mesh.expansion._attributes.info
requirements:
  - Linux kernel with IPVS (module C(ip_vs)) on the managed host
notes:
  - The kernel allows this to root in the initial user namespace only, so use C(become).
    Each network namespace has its own table.
seealso:
  - module: mesh.expansion.ipvs_table
  - module: mesh.expansion.ipvs_service
"""

EXAMPLES = r"""
- name: Read what is balanced on a virtual address
  mesh.expansion.ipvs_info:
    vips: [192.168.0.62]
  register: ipvs

- name: Show connections by real server
  ansible.builtin.debug:
    msg: "{{ ipvs.services | map(attribute='real_servers') | flatten
      | items2dict(key_name='real_server', value_name='active_connections') }}"
"""

RETURN = r"""
available:
  description: Whether this kernel has IPVS. If not, the other values are empty.
  returned: success
  type: bool
  sample: true
version:
  description: The version of IPVS; V(null) if it is not available.
  returned: success
  type: str
  sample: 1.2.1
connection_table_size:
  description: How many buckets the kernel's connection table has; V(null) if it is not available.
  returned: success
  type: int
  sample: 4096
timeouts:
  description: After how many seconds without packets a connection is forgotten.
  returned: success
  type: dict
  contains:
    tcp:
      description: An established connection of TCP.
      type: int
      sample: 900
    tcp_fin:
      description: A connection of TCP that is being closed.
      type: int
      sample: 120
    udp:
      description: A client of UDP.
      type: int
      sample: 300
daemons:
  description: The running daemons that synchronise connections.
  returned: success
  type: list
  elements: dict
  contains:
    state:
      description: V(master) or V(backup).
      type: str
      sample: master
    mcast_interface:
      description: The interface that it uses.
      type: str
      sample: eth0
    syncid:
      description: Its number.
      type: int
      sample: 0
services:
  description:
    - The virtual services, sorted, in the form of the option O(mesh.expansion.ipvs_table#module:services),
      with more keys for counters.
  returned: success
  type: list
  elements: dict
  contains:
    statistics:
      description:
        - Counters of the service, and what they grew by per second.
      type: dict
      contains: &statistics
        connections: &counter
          description: The count, a 64-bit number.
          type: int
          sample: 3
        in_packets: *counter
        out_packets: *counter
        in_bytes: *counter
        out_bytes: *counter
        connections_per_second: *counter
        in_packets_per_second: *counter
        out_packets_per_second: *counter
        in_bytes_per_second: *counter
        out_bytes_per_second: *counter
    real_servers:
      description: The real servers, sorted.
      type: list
      elements: dict
      contains:
        active_connections:
          description: Connections in use.
          type: int
          sample: 2
        inactive_connections:
          description: Connections that are closing, and those of protocols without connections.
          type: int
          sample: 1
        persistent_connections:
          description: Clients bound to the real server by persistence.
          type: int
          sample: 0
        statistics:
          description: Counters of the real server.
          type: dict
          contains: *statistics
  sample:
    - udp_service: 192.168.0.62:53
      scheduler: wrr
      sched_flags: []
      ops: true
      persistent: 0
      statistics: {connections: 3, in_packets: 3, out_packets: 0, in_bytes: 180, out_bytes: 0}
      real_servers:
        - real_server: 192.168.0.71:53
          forwarding: gatewaying
          weight: 1
          u_threshold: 0
          l_threshold: 0
          active_connections: 0
          inactive_connections: 1
          persistent_connections: 0
          statistics: {connections: 3, in_packets: 3, out_packets: 0, in_bytes: 180, out_bytes: 0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model, options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.client import Client
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import IpvsError, ModuleMissingError

_EMPTY: dict[str, t.Any] = {"version": None, "connection_table_size": None, "timeouts": {}, "daemons": []}


def _server(state: model.ServerState) -> dict[str, t.Any]:
    return {
        **options.server_options(state.server),
        "active_connections": state.connections.active,
        "inactive_connections": state.connections.inactive,
        "persistent_connections": state.connections.persistent,
        "statistics": dict(state.statistics),
    }


def _service(state: model.ServiceState) -> dict[str, t.Any]:
    return {
        **options.to_options(model.Entry(state.service, {})),
        "statistics": dict(state.statistics),
        "real_servers": [_server(server) for server in state.servers],
    }


def run(module: t.Any, connect: t.Callable[..., Client] = Client.open) -> None:
    try:
        vips = options.parse_addresses(module.params["vips"])
        with connect(load=False) as client:
            info = client.info()
            states = client.read_states(lambda key: not vips or key.address in vips)
    except ModuleMissingError:
        module.exit_json(changed=False, available=False, services=[], **_EMPTY)
    except IpvsError as exc:
        module.fail_json(msg=str(exc))
    else:
        module.exit_json(changed=False, available=True, services=[_service(state) for state in states], **info)


def main() -> None:
    run(AnsibleModule(argument_spec={"vips": {"type": "list", "elements": "str"}}, supports_check_mode=True))


if __name__ == "__main__":
    main()
