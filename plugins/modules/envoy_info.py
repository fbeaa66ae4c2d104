# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: envoy_info
short_description: What a sidecar's Envoy has been told, and what stands in the way of requests
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads Envoy's admin endpoint on the host and reports clusters, listeners, what is still
    warming, and the server's state.
  - Finds the filters that ask a policy service before a request passes, says whether they fail closed, and whether the
    endpoints of that service can be reached from the host. This works where C(istioctl proxy-config) does not, on
    virtual machines.
  - Understands Istio 1.0's C(mixer) filter and today's external authorization filter.
options:
  admin_address:
    description: Address of the admin endpoint.
    type: str
    default: 127.0.0.1
  admin_port:
    description: Port of the admin endpoint.
    type: int
    default: 15000
  timeout:
    description: Seconds to wait for each answer, and for each connection to an endpoint of a policy service.
    type: int
    default: 5
  probe_policy_endpoints:
    description:
      - Whether to open a TCP connection to the endpoints of policy services, to learn whether this host can reach them.
      - Run as root, since root's connections are not captured by the sidecar.
    type: bool
    default: true
extends_documentation_fragment:
  - mesh.expansion._attributes.info
"""

EXAMPLES = r"""
- name: Read what the sidecar knows
  mesh.expansion.envoy_info:
  register: envoy

- name: Say why requests fail
  ansible.builtin.debug:
    var: envoy.explanations
"""

RETURN = r"""
server:
  description: State and version of Envoy.
  returned: success
  type: dict
  contains:
    state:
      description: State of the server, V(LIVE) once it has its first configuration.
      type: str
      returned: success
      sample: LIVE
    version:
      description: Version.
      type: str
      returned: success
clusters:
  description: All clusters.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: success
      sample: outbound|9080||web.default.svc.cluster.local
    static:
      description: Whether it comes from the bootstrap file.
      type: bool
      returned: success
    warming:
      description: Whether Envoy still waits for its endpoints or secrets.
      type: bool
      returned: success
    endpoints:
      description: Its endpoints, with C(address), C(port), C(healthy), C(connections) and C(failed_connections).
      type: list
      elements: dict
      returned: success
listeners:
  description: All listeners.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      returned: success
      sample: 192.0.2.81_9080
    address:
      description: Address and port.
      type: str
      returned: success
      sample: 192.0.2.81:9080
    static:
      description: Whether it comes from the bootstrap file.
      type: bool
      returned: success
    warming:
      description: Whether it is not yet in use.
      type: bool
      returned: success
    error:
      description: Why Envoy rejected its last update, or empty.
      type: str
      returned: success
warming:
  description: Names of the clusters and listeners that are still warming.
  returned: success
  type: dict
  sample: {clusters: [], listeners: []}
policy_checks:
  description: The filters that ask a policy service.
  returned: success
  type: list
  elements: dict
  contains:
    filter:
      description: Name of the filter.
      type: str
      returned: success
      sample: envoy.filters.http.ext_authz
    cluster:
      description: The cluster that it asks.
      type: str
      returned: success
      sample: outbound|9091||istio-policy.istio-system.svc.cluster.local
    fail_mode:
      description: What happens without an answer, V(closed), V(open), or V(disabled) if it does not ask.
      type: str
      returned: success
    listener:
      description: The listener whose requests it checks.
      type: str
      returned: success
    endpoints:
      description: The cluster's endpoints; each also has C(reachable), which is null if it was not tried.
        Null if there is no such cluster.
      type: list
      elements: dict
      returned: success
explanations:
  description: One sentence for each policy filter.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.admin import AdminError, read_report

_KINDS = {
    "admin_address": _options.HOST,
    "admin_port": _options.PORT,
    "timeout": _options.TIMEOUT,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "admin_address": {"type": "str", "default": "127.0.0.1"},
            "admin_port": {"type": "int", "default": 15000},
            "timeout": {"type": "int", "default": 5},
            "probe_policy_endpoints": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    options = module.params
    try:
        found = read_report(
            options["admin_address"], options["admin_port"], options["timeout"], options["probe_policy_endpoints"]
        )
    except AdminError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
