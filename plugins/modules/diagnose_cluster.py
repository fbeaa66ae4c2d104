#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose_cluster
short_description: Gather what somebody else needs to see of the cluster, without its secrets
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Reads the objects of this collection, WorkloadGroups and WorkloadEntries, the mesh document, and how the control
    plane and its pods stand. Writes them into files of the control node that only their owner reads, in C(cluster).
  - No Secret is read, nor the environment of a container. What looks like a secret is taken out.
  - Changes nothing. What the user of the kubeconfig may not read is no failure, and is said in RV(missing).
options:
  dest:
    description: Directory on the control node. It is made when it is not there.
    type: path
    required: true
  namespaces:
    description: Namespaces to look into, that of the control plane first.
    type: list
    elements: str
    default: [istio-system, kube-system]
  configmap:
    description: The ConfigMap with the mesh document.
    type: str
    default: istio
  size:
    description: How large a file may become, in KiB. What is longer is cut, and says so.
    type: int
    default: 1024
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._attributes.info
seealso:
  - module: mesh.expansion.diagnose_look
"""

EXAMPLES = r"""
- name: Gather what there is to see in the cluster
  mesh.expansion.diagnose_cluster:
    dest: /root/bundle
    kubeconfig: ~/.kube/config
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: Directory on the control node with the files.
  returned: success
  type: str
  sample: /root/bundle/cluster
files:
  description: The files in it.
  returned: success
  type: list
  elements: str
  sample: [services.json, workload-entries.json]
missing:
  description: What could not be read, and why.
  returned: success
  type: list
  elements: str
  sample: ["nodes.json: Cannot list nodes: forbidden (HTTP 403)."]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose import cluster
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.diagnose.gather import Limits

_KINDS = {
    "namespaces": _options.NAMESPACE,
    "configmap": _options.OBJECT,
    "size": _options.number(1, 65536, "a number of KiB"),
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "namespaces": {"type": "list", "elements": "str", "default": ["istio-system", "kube-system"]},
            "configmap": {"type": "str", "default": "istio"},
            "size": {"type": "int", "default": 1024},
            **kube_auth_argument_spec(),
        },
        supports_check_mode=True,
    )
    wrong = _options.wrong(module.params, _KINDS)
    if not module.params["namespaces"]:
        wrong.append("namespaces is []; it must begin with that of the control plane.")
    _options.refuse(module, wrong)
    try:
        client = connect(module.params["kubeconfig"], module.params["context"])
        # Whether it is there at all: one answer instead of the same reason for each kind of object.
        client.server_version()
        asked = cluster.Asked(module.params["namespaces"], module.params["configmap"])
        found = cluster.look(client, asked, Limits(size=module.params["size"] * 1024))
    except KubeError as exc:
        module.fail_json(msg=f"Cannot look at the cluster: {exc}")
    module.exit_json(changed=False, parts=found.parts, missing=found.missing)


if __name__ == "__main__":
    main()
