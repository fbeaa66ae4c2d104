#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_network_labels
short_description: Say in which network the pods of a mesh are
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Sets the label C(topology.istio.io/network) on the namespace of the control plane and on the pods of the east-west
    gateway, which is what istiod needs to send virtual machines of another network through that gateway.
  - A changed label of the gateway's pods has its Deployment replace them, one after another.
  - Both objects belong to the owner of the mesh. A label that is there with another value is refused. What was set here
    is recorded in the annotation C(mesh.expansion/network-label), and only that is taken away again.
  - The Service that has the gateway's virtual address is labelled by M(mesh.expansion.mesh_services).
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns the label of each object before and after.
options:
  state:
    description:
      - With V(present), the labels are there.
      - With V(absent), what this module has set is taken away.
    type: str
    choices: [present, absent]
    default: present
  network:
    description:
      - Name of the network that the pods are in.
      - Required with O(state=present).
    type: str
  namespace:
    description: Namespace of the control plane and of the gateway.
    type: str
    default: istio-system
  gateway:
    description: Labels of the gateway's pods.
    type: dict
    default: {istio: eastwestgateway}
seealso:
  - module: mesh.expansion.mesh_services
"""

EXAMPLES = r"""
- name: Call the pods' network pod-network
  mesh.expansion.istio_network_labels:
    kubeconfig: ~/.kube/config
    network: pod-network
  delegate_to: localhost
  run_once: true

- name: Take the labels away again
  mesh.expansion.istio_network_labels:
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
operations:
  description: The writes, in order; in check mode those that would be made. After a failure those made before it.
  returned: always
  type: list
  elements: str
  sample: ["label Namespace istio-system", "label Deployment istio-eastwestgateway"]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import DEPLOYMENTS, NAMESPACES
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import retry_on_conflict
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import network_labels
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.network_labels import (
    NAMESPACE,
    NetworkLabelError,
    Operation,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import dump

Params = t.Mapping[str, t.Any]


def plan(client: KubeClient, params: Params) -> list[Operation]:
    where = params["namespace"]
    namespace, deployments = client.get(NAMESPACES, None, where), client.list(DEPLOYMENTS, where)
    if params["state"] == "absent":
        return network_labels.plan_absent(namespace, deployments)
    if namespace is None:
        raise NetworkLabelError(f"Namespace {where} does not exist. Correct namespace (mesh_istio_namespace).")
    return network_labels.plan_present(params["network"], namespace, deployments, params["gateway"])


def apply(client: KubeClient, params: Params, first: list[Operation], written: list[str]) -> None:
    def attempt(number: int) -> None:
        for operation in plan(client, params) if number else first:
            if operation.kind == NAMESPACE:
                client.patch(NAMESPACES, None, operation.name, operation.body)
            else:
                client.patch(DEPLOYMENTS, params["namespace"], operation.name, operation.body)
            written.append(str(operation))

    retry_on_conflict(attempt, f"The network label in namespace {params['namespace']}")


def argument_spec() -> dict[str, t.Any]:
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "network": {"type": "str"},
        "namespace": {"type": "str", "default": "istio-system"},
        "gateway": {"type": "dict", "default": {"istio": "eastwestgateway"}},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "network": _options.LABEL_VALUE,
    "namespace": _options.NAMESPACE,
}


REQUIRED_IF = [("state", "present", ("network",))]


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    written: list[str] = []
    try:
        client = connect(module.params["kubeconfig"], module.params["context"])
        operations = plan(client, module.params)
        if not module.check_mode:
            apply(client, module.params, operations, written)
    except (NetworkLabelError, KubeError) as exc:
        module.fail_json(msg=str(exc), operations=written, changed=bool(written))
    shown = {f"{item.kind} {item.name}": item for item in operations}
    module.exit_json(
        changed=bool(operations),
        operations=[str(item) for item in operations],
        diff={
            "before": dump({name: item.before for name, item in shown.items()}),
            "after": dump({name: item.after for name, item in shown.items()}),
        },
    )


def main() -> None:
    run(AnsibleModule(argument_spec=argument_spec(), required_if=REQUIRED_IF, supports_check_mode=True))


if __name__ == "__main__":
    main()
