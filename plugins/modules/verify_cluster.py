#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: verify_cluster
short_description: Check in the cluster whether everything of the mesh holds
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Judges what the role P(mesh.expansion.verify#role) reports of the cluster, and changes nothing.
  - What M(mesh.expansion.mesh_services), M(mesh.expansion.istio_register) and M(mesh.expansion.istio_mesh_config) would
    still do is a fault.
  - Sends a request to each HTTP port of each VM service from a pod, with C(curl).
  - With today's Istio, reads in the Envoy beside that pod which machines it knows and whose certificates it accepts.
  - Needs the right to read what is judged, and to create C(pods/exec).
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
  - mesh.expansion._attributes.info
options:
  vip:
    description: The virtual address.
    type: str
    required: true
  services:
    description: The exposed services, as P(mesh.expansion.exposed_services#filter) returns them.
    type: list
    elements: dict
    required: true
  backend:
    description: How they are exposed, the option O(mesh.expansion.mesh_services#module:backend).
    type: str
    choices: [auto, external_ips, load_balancer]
    default: external_ips
  registrations:
    description: The registrations, as M(mesh.expansion.istio_register) takes them in its option C(services).
    type: list
    elements: dict
    default: []
  control_plane:
    description: The control plane's generation, which has the checks.
    type: str
    default: istiod
  registration_backend:
    description: How the machines are registered, the option O(mesh.expansion.istio_register#module:backend).
    type: str
    choices: [endpoints, endpoint_slice, workload_entry, auto]
    default: endpoints
  service_accounts:
    description: Whether the registration makes service accounts that are missing.
    type: bool
    default: true
  trust_domain:
    description: The mesh's trust domain, with which the names in certificates begin.
    type: str
    default: cluster.local
  timeout:
    description:
      - Seconds to wait for what istiod and proxies do by themselves after a change, in all. Istio 1.0 to 1.4 is not
        waited for.
    type: int
    default: 30
  istio_namespace:
    description: Namespace of the control plane.
    type: str
    default: istio-system
  cluster_domain:
    description: The cluster's DNS domain.
    type: str
    default: cluster.local
  mesh:
    description: The mesh settings, with the options of M(mesh.expansion.istio_mesh_config).
    type: dict
    required: true
    suboptions:
      settings:
        description: Keys with their values.
        type: dict
        default: {}
      name:
        description: The ConfigMap.
        type: str
        default: istio
      key:
        description: Its key.
        type: str
        default: mesh
  deployment:
    description: The Deployment that reads the mesh settings.
    type: str
    default: istio-pilot
  client:
    description: The pod that requests are sent from.
    type: dict
    default: {namespace: default, selector: app=sleep}
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        default: default
      selector:
        description: A label selector; the first running pod is taken.
        type: str
        default: app=sleep
      container:
        description: The container with C(curl); the first one when it is not given.
        type: str
  plain_client:
    description: The pod without a sidecar that requests are sent from, where such pods shall reach the machines.
    type: dict
    suboptions:
      namespace:
        description: Its namespace.
        type: str
        default: default
      selector:
        description: A label selector; the first running pod is taken.
        type: str
        required: true
      container:
        description: The container with C(curl); the first one when it is not given.
        type: str
  expect:
    description: What each answer must contain; any answer with a status below 400 when it is empty.
    type: str
    default: ""
seealso:
  - module: mesh.expansion.verify_vm
  - plugin: mesh.expansion.verify_rows
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at the cluster
  mesh.expansion.verify_cluster:
    kubeconfig: ~/.kube/config
    vip: 192.0.2.62
    services: "{{ 'secure' | mesh.expansion.exposed_services }}"
    mesh:
      settings: {disablePolicyChecks: true}
  delegate_to: localhost
  run_once: true
  register: cluster
"""

RETURN = r"""
checks:
  description:
    - What each check found, with the C(host) or C(service) that it is about. C(problems) is empty when it holds,
      C(good) is what there is to say then, and C(unchecked) says why it could not be checked.
  returned: success
  type: list
  elements: dict
  sample:
    - {check: registration, host: web1, service: "", problems: [], good: "default/web -> 192.0.2.81", unchecked: ""}
names:
  description: Which name must answer which address on a VM.
  returned: success
  type: dict
  sample: {istio-pilot: 192.0.2.62, istio-pilot.istio-system.svc.cluster.local: 10.96.40.1}
reached:
  description: Whether the API server answered.
  returned: failure
  type: bool
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube import pods
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError, KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import client_pod
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.cluster import look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.cluster_requests import REQUEST_SECONDS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.backends import BACKENDS, EXTERNAL_IPS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import RegistrationError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import BACKENDS as REGISTRATIONS
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def argument_spec() -> dict[str, t.Any]:
    mesh = {
        "settings": {"type": "dict", "default": {}},
        "name": {"type": "str", "default": "istio"},
        "key": {"type": "str", "default": "mesh", "no_log": False},
    }
    client = {
        "namespace": {"type": "str", "default": client_pod.NAMESPACE},
        "selector": {"type": "str", "default": client_pod.LABEL},
        "container": {"type": "str"},
    }
    plain_client = {**client, "selector": {"type": "str", "required": True}}
    return {
        "vip": {"type": "str", "required": True},
        "services": {"type": "list", "elements": "dict", "required": True},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": EXTERNAL_IPS},
        "registrations": {"type": "list", "elements": "dict", "default": []},
        "control_plane": {"type": "str", "default": generations.DEFAULT},
        "registration_backend": {"type": "str", "choices": list(REGISTRATIONS), "default": REGISTRATIONS[0]},
        "service_accounts": {"type": "bool", "default": True},
        "trust_domain": {"type": "str", "default": "cluster.local"},
        "timeout": {"type": "int", "default": 30},
        "istio_namespace": {"type": "str", "default": "istio-system"},
        "cluster_domain": {"type": "str", "default": "cluster.local"},
        "mesh": {"type": "dict", "required": True, "options": mesh},
        "deployment": {"type": "str", "default": "istio-pilot"},
        "client": {
            "type": "dict",
            "default": {"namespace": client_pod.NAMESPACE, "selector": client_pod.LABEL},
            "options": client,
        },
        "plain_client": {"type": "dict", "options": plain_client},
        "expect": {"type": "str", "default": ""},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "vip": _options.ADDRESS,
    "trust_domain": _options.DOMAIN,
    "cluster_domain": _options.DOMAIN,
    "timeout": _options.TIMEOUT,
    "istio_namespace": _options.NAMESPACE,
    "deployment": _options.OBJECT,
}
_POD = {"namespace": _options.NAMESPACE, "container": _options.NAMESPACE}
_OF_OBJECTS = {"mesh": {"name": _options.OBJECT, "key": _options.DATA_KEY}, "client": _POD, "plain_client": _POD}


def run(module: t.Any) -> None:
    wrong = _options.wrong(module.params, _KINDS)
    for name, kinds in _OF_OBJECTS.items():
        wrong += _options.wrong(module.params[name] or {}, kinds, f"{name}: ")
    _options.refuse(module, wrong)
    try:
        generations.generation(module.params["control_plane"])
        client = connect(module.params["kubeconfig"], module.params["context"])
        found = look(
            client,
            module.params,
            lambda namespace, pod, container, argv: pods.run(
                client, namespace, pod, container, argv, REQUEST_SECONDS + 5
            ),
        )
    except (MeshError, KubeError, RegistrationError) as exc:
        reached = not isinstance(exc, KubeUnreachable)
        module.fail_json(msg=f"Cannot check the cluster: {exc}", reached=reached)
    module.exit_json(changed=False, **found)


def main() -> None:
    run(NestedModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
