#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_vm
short_description: Check on a VM whether everything of the mesh holds
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Looks at a VM in one go and judges what the role P(mesh.expansion.verify#role) reports, and changes nothing.
  - What M(mesh.expansion.dnsmasq_apply) and M(mesh.expansion.istio_sidecar_apply) would still do is a fault.
  - The checks are those of the generation that O(sidecar) names.
  - Needs root, for the packet filter and the sidecar's files. No key is read into the result.
options:
  resolver:
    description: The options of M(mesh.expansion.dnsmasq_look). Needed with O(dns_mode=dnsmasq).
    type: dict
  sidecar:
    description: The options of M(mesh.expansion.istio_sidecar_apply).
    type: dict
    required: true
  dns_mode:
    description: How the VM resolves names of the mesh, V(dnsmasq), V(capture) by the sidecar, or V(hosts).
    type: str
    choices: [dnsmasq, capture, hosts]
    default: dnsmasq
  revision:
    description: Revision of istiod. It is empty where there is only one.
    type: str
    default: ""
  vm_to_pods:
    description: Whether VMs of istiod's generation reach pods.
    type: bool
    default: false
  server:
    description: URL of a Service of the mesh with pods that answer HTTP, with which that is tried.
    type: str
    default: ""
  cluster_domain:
    description: The cluster's DNS domain.
    type: str
    default: cluster.local
  timeout:
    description: How long Envoy may take to receive its configuration, in seconds.
    type: int
    default: 30
  host:
    description: What this host is called in messages.
    type: str
    default: this host
extends_documentation_fragment:
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.verify_cluster
  - plugin: mesh.expansion.verify_rows
    plugin_type: filter
requirements:
  - Debian's dpkg and apt, systemd and iproute2 on the managed host
"""

EXAMPLES = r"""
- name: Look at the VM
  mesh.expansion.verify_vm:
    resolver:
      vip: 192.0.2.62
      service_cidr: 10.96.0.0/12
      services: "{{ 'secure' | mesh.expansion.exposed_services }}"
    sidecar:
      vip: 192.0.2.62
      service_cidr: 10.96.0.0/12
      services:
        - {name: web, port: 9080}
  register: seen
"""

RETURN = r"""
checks:
  description:
    - What each check found, by its name. C(problems) is empty when it holds, C(good) is what there is to say then, and
      C(unchecked) says why it could not be checked.
  returned: success
  type: dict
  sample: {names_file: {problems: [], good: 14 lines, unchecked: ""}}
lookups:
  description: Of each name of the mesh the C(addresses) that it answers, or what was C(said) instead.
  returned: when the cluster knows what they must answer
  type: dict
identity:
  description: What this host has of an identity, for the option O(mesh.expansion.istio_vm_certs#module:actual). No key.
  returned: success
  type: dict
proxy:
  description:
    - How Envoy stands, in numbers, for P(mesh.expansion.verify_textfile#filter). Its state is empty when it is silent.
  returned: success
  type: dict
  sample: {state: LIVE, connected: true, updates: [[cds, success, 3]], clusters: 12, endpoints: 20, healthy: 20}
bootstrap:
  description:
    - What this host has of its bootstrap files, for the option O(mesh.expansion.istio_vm_bootstrap#module:actual). No
      key and no token.
  returned: with a generation whose sidecar gets its certificate for a token
  type: dict
"""


from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.of_vm import check
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError

_KINDS = {
    "revision": _options.NAMESPACE,
    "server": _options.URL,
    "cluster_domain": _options.DOMAIN,
    "timeout": _options.TIMEOUT,
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "resolver": {"type": "dict"},
            "sidecar": {"type": "dict", "required": True},
            "dns_mode": {"type": "str", "choices": ["dnsmasq", "capture", "hosts"], "default": "dnsmasq"},
            "revision": {"type": "str", "default": ""},
            "vm_to_pods": {"type": "bool", "default": False},
            "server": {"type": "str", "default": ""},
            "cluster_domain": {"type": "str", "default": "cluster.local"},
            "timeout": {"type": "int", "default": 30},
            "host": {"type": "str", "default": "this host"},
        },
        supports_check_mode=True,
    )
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    try:
        found = check(module.params)
    except (HostError, MeshError) as exc:
        module.fail_json(msg=f"Cannot check this host: {exc}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
