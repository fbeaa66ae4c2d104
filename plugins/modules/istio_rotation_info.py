# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_rotation_info
short_description: How far the rotation of the mesh's root certificate is, and when the next step is safe
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - The root certificate of a mesh is replaced in steps. istiod is told to trust the old and the new one, then to sign
    with the new one; when all certificates are of the new one, the old one is removed.
  - Reads which roots istiod gives out, compares them with what is on O(vms), and says which step is next. The steps
    themselves are for the owner of the mesh to take.
options:
  vms:
    description: By host what M(mesh.expansion.istio_sidecar_look) returned under C(identity). No key.
    type: dict
    required: true
  namespace:
    description: The namespace of the VMs.
    type: str
    default: default
  istio_namespace:
    description: The namespace of istiod.
    type: str
    default: istio-system
  revision:
    description: Revision of istiod. It is empty where there is only one.
    type: str
    default: ""
  pod_certificate_lifetime:
    description:
      - How long a certificate of a pod is good at most, in seconds. By this it is known when the last pod has taken
        part in a step; certificates of pods are not looked at.
    type: int
    default: 86400
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
  - mesh.expansion._attributes.info
requirements:
  - cryptography >= 40 (Python library, on the control node; Ansible itself depends on it)
  - kubernetes (Python library, on the control node)
notes:
  - Its user needs C(get) on the ConfigMap C(istio-ca-root-cert) in O(namespace), and C(list) on C(deployments) in
    O(istio_namespace).
seealso:
  - module: mesh.expansion.istio_sidecar_look
  - module: mesh.expansion.istio_vm_bootstrap
"""

EXAMPLES = r"""
- name: See which step is next
  mesh.expansion.istio_rotation_info:
    kubeconfig: ~/.kube/config
    vms:
      web1: "{{ hostvars['web1'].look.identity }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
step:
  description: What is next, V(add) the new root beside the old one, V(sign) with it, V(wait), or V(remove) the old one.
  returned: success
  type: str
safe:
  description: Whether all VMs are ready for that. V(wait) is no step.
  returned: success
  type: bool
safe_from:
  description: From when pods are ready for it, UTC; empty when that makes no difference or is not known.
  returned: success
  type: str
  sample: "2026-11-29T08:00:00Z"
said:
  description: All of it in words.
  returned: success
  type: list
  elements: str
problems:
  description: What VMs lack.
  returned: success
  type: list
  elements: str
multiroot:
  description: Whether istiod takes other roots while it runs (C(ISTIO_MULTIROOT_MESH)).
  returned: success
  type: bool
roots:
  description: Fingerprints of the mesh's roots, the oldest first.
  returned: success
  type: list
  elements: str
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import CONFIGMAPS, DEPLOYMENTS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import control_plane
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import rotation
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity.certificates import (
    HAS_CRYPTOGRAPHY,
    IdentityError,
)


def report(client: KubeClient, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    namespace, istio = params["namespace"], params["istio_namespace"]
    where = f"ConfigMap {namespace}/{control_plane.ROOT_CONFIGMAP}"
    configmap = client.get(CONFIGMAPS, namespace, control_plane.ROOT_CONFIGMAP)
    roots = rotation.roots_of(control_plane.root_certificates(configmap, namespace), where)
    name = control_plane.suffixed("istiod", control_plane.plain(params["revision"]))
    multiroot = rotation.takes_new_roots(client.list(DEPLOYMENTS, istio), name)
    verdict = rotation.judge(
        roots,
        [rotation.vm_of(host, seen) for host, seen in sorted(params["vms"].items())],
        rotation.published_at(configmap or {}),
        multiroot,
        datetime.timedelta(seconds=params["pod_certificate_lifetime"]),
        f"kubectl rollout restart deployment/{name} -n {istio}",
    )
    return {
        "step": verdict.step,
        "safe": verdict.safe,
        "safe_from": f"{verdict.safe_from:%Y-%m-%dT%H:%M:%SZ}" if verdict.safe_from else "",
        "said": list(verdict.said),
        "problems": list(verdict.problems),
        "multiroot": multiroot,
        "roots": [root.fingerprint for root in roots],
    }


def argument_spec() -> dict[str, t.Any]:
    return {
        "vms": {"type": "dict", "required": True},
        "namespace": {"type": "str", "default": "default"},
        "istio_namespace": {"type": "str", "default": "istio-system"},
        "revision": {"type": "str", "default": ""},
        "pod_certificate_lifetime": {"type": "int", "default": 86400},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "namespace": _options.NAMESPACE,
    "istio_namespace": _options.NAMESPACE,
    "revision": _options.NAMESPACE,
    "pod_certificate_lifetime": _options.LIFETIME,
}


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    if not HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        found = report(connect(module.params["kubeconfig"], module.params["context"]), module.params)
    except (KubeError, MeshError, IdentityError) as exc:
        module.fail_json(msg=f"Cannot tell how far the rotation of the root certificate is: {exc}")
    module.exit_json(changed=False, **found)


def main() -> None:
    run(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
