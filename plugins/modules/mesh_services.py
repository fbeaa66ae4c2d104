#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mesh_services
short_description: Expose control-plane Services of a mesh on a virtual address
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Makes one Service per exposed service, with the virtual address as its external address, so that every node accepts
    what a director forwards to it for that address.
  - The Services carry the labels C(app.kubernetes.io/managed-by=mesh.expansion) and
    C(app.kubernetes.io/component=exposure). What carries both and is not wanted any more is removed, in every
    namespace.
  - They are written by server-side apply with the field manager V(mesh.expansion). Ports and selector keys that others
    added to them are taken out. A second run reads, and writes nothing.
  - A Service of a wanted name without these labels is refused before anything is written, and so is a change of a field
    that another writer owns, unless O(adopt=true).
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description:
      - Can run in check mode and return the prediction without changing anything.
      - The API server is asked to try the first write of each Service without keeping it, so that it refuses in check
        mode what it would refuse later. This needs the rights to write.
  diff_mode:
    support: full
    description: Returns the Services before and after, without fields that the API server keeps.
options:
  state:
    description:
      - With V(present), the Services of O(services) are there, and no others of ours.
      - With V(absent), no Service is there that carries both labels.
    type: str
    choices: [present, absent]
    default: present
  vip:
    description:
      - The virtual address.
      - Required with O(state=present).
    type: str
  services:
    description:
      - The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
      - Required with O(state=present), and not empty.
    type: list
    elements: dict
  backend:
    description:
      - How the nodes are made to accept the virtual address. kube-proxy makes the same rules of both.
      - V(external_ips) sets C(spec.externalIPs), which is deprecated since Kubernetes 1.36 and which administrators can
        switch off.
      - V(load_balancer) makes Services of type LoadBalancer, of a class that no controller takes
        (C(mesh.expansion/director)), without node ports, and writes the status that a controller would write. Needs
        Kubernetes 1.30, and the right to patch C(services/status).
      - V(auto) is V(load_balancer) where the API server serves all its fields, else V(external_ips).
      - When a Service changes from one to the other it has both for some seconds, so that no connection is lost.
    type: str
    choices: [auto, external_ips, load_balancer]
    default: external_ips
  adopt:
    description:
      - Take over Services of the same names that do not carry the labels, and fields that another writer owns.
    type: bool
    default: false
seealso:
  - plugin: mesh.expansion.exposed_services
    plugin_type: filter
  - module: mesh.expansion.ipvs_table
"""

EXAMPLES = r"""
- name: Expose what the secure profile lists
  mesh.expansion.mesh_services:
    kubeconfig: ~/.kube/config
    vip: 192.168.0.62
    services: "{{ 'secure' | mesh.expansion.exposed_services }}"
  delegate_to: localhost
  run_once: true

- name: Take everything off the virtual address
  mesh.expansion.mesh_services:
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
operations:
  description:
    - The writes, in order; in check mode those that would be made. After a failure those that were made before it.
    - C(create) and C(apply) are server-side applies, C(patch) takes out what others added, C(status) is written as a
      load balancer's controller would.
  returned: always
  type: list
  elements: str
  sample: ["create Service kube-system/kube-dns-lb", "apply Service istio-system/istio-pilot-lb"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.backends import BACKENDS, EXTERNAL_IPS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.model import (
    ExposureError,
    parse_address,
    parse_services,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.plan import Plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.work import Exposer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import dump


def describe(plan: Plan) -> dict[str, t.Any]:
    """Everything that is reported, from the plan alone, so that check mode and a real run say the same."""
    return {
        "changed": bool(plan.operations),
        "operations": [str(operation) for operation in plan.operations],
        "diff": {"before": dump(plan.before), "after": dump(plan.after)},
    }


def argument_spec() -> dict[str, t.Any]:
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "vip": {"type": "str"},
        "services": {"type": "list", "elements": "dict"},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": EXTERNAL_IPS},
        "adopt": {"type": "bool", "default": False},
        **kube_auth_argument_spec(),
    }


REQUIRED_IF = [("state", "present", ("vip", "services"))]


def run(module: t.Any) -> None:
    written: list[str] = []
    try:
        if module.params["state"] == "present":
            # Before the API is asked for anything.
            parse_address(module.params["vip"], "vip (exposure_vip in the role exposure)")
            parse_services(module.params["services"])
        client = connect(module.params["kubeconfig"], module.params["context"])
        exposer = Exposer(client, module.params, module.check_mode)
        written = exposer.written
        plan = exposer.plan()
        exposer.apply(plan)
    except (ExposureError, KubeError) as exc:
        module.fail_json(msg=str(exc), operations=written, changed=bool(written))
    for text in client.warnings:
        module.warn(text)
    module.exit_json(**describe(plan))


def main() -> None:
    run(AnsibleModule(argument_spec=argument_spec(), required_if=REQUIRED_IF, supports_check_mode=True))


if __name__ == "__main__":
    main()
