#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kube_access_info
short_description: Ask the Kubernetes API what this user may do and which objects exist
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Asks the API server by SelfSubjectAccessReview whether the kubeconfig's user has given rights, and whether given
    objects exist. Of those only the metadata is read, so looking for a Secret shows nothing of its content.
  - Reads parts of objects that can be shown to everybody.
  - An API that cannot be reached is no failure of the module. It is reported in RV(error).
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
  - mesh.expansion._attributes.info
options:
  access:
    description: The rights to ask for.
    type: list
    elements: dict
    default: []
    suboptions:
      verbs:
        description: The verbs, as in RBAC rules.
        type: list
        elements: str
        required: true
      resource:
        description: Plural name of the resource.
        type: str
        required: true
      subresource:
        description: Name of the subresource.
        type: str
        default: ""
      group:
        description: API group, empty for the core group.
        type: str
        default: ""
      namespace:
        description: Namespace, empty for all of them.
        type: str
        default: ""
      name:
        description: Name of a single object, empty for all of them.
        type: str
        default: ""
  objects:
    description: The objects to look for.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the object.
        type: str
        required: true
        choices: [ConfigMap, Deployment, Endpoints, Namespace, Secret, Service, ServiceAccount]
      name:
        description: Name of the object.
        type: str
        required: true
      namespace:
        description: Namespace of the object.
        type: str
        default: ""
  documents:
    description: Objects to read a part of.
    type: list
    elements: dict
    default: []
    version_added: "1.1.0"
    suboptions:
      kind:
        description: Kind of the objects.
        type: str
        required: true
        choices: [ConfigMap, Deployment, Namespace, Node, Pod, Service, WorkloadGroup]
      selector:
        description: Labels that objects must have, where all of the namespace are read.
        type: str
        default: ""
      name:
        description: Name of the object; empty for all of the namespace.
        type: str
        default: ""
      namespace:
        description: Namespace of the objects.
        type: str
        default: ""
      keys:
        description: Keys of the data of a ConfigMap; of no others the content is returned.
        type: list
        elements: str
        default: []
  exposure:
    description:
      - What is to be exposed on the virtual address. The API server is asked whether it would take the Services, by
        writes without effect, and who says to be their load balancer. That is left out where a right on Services is
        missing.
    type: dict
    version_added: "1.1.0"
    suboptions:
      vip:
        description: The virtual address.
        type: str
        required: true
      services:
        description: The Services, as M(mesh.expansion.mesh_services) takes them.
        type: list
        elements: dict
        required: true
      backend:
        description: As of M(mesh.expansion.mesh_services).
        type: str
        choices: [auto, external_ips, load_balancer]
        default: external_ips
      adopt:
        description: As of M(mesh.expansion.mesh_services).
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: See whether VMs can be registered in the namespace default
  mesh.expansion.kube_access_info:
    access:
      - verbs: [get, create, update, delete]
        resource: services
        namespace: default
    objects:
      - kind: Secret
        name: istio.default
        namespace: default
  delegate_to: localhost
  register: cluster
"""

RETURN = r"""
reachable:
  description: Whether the API answered.
  returned: always
  type: bool
  sample: true
error:
  description: Why it did not answer; empty when it did.
  returned: always
  type: str
  sample: ""
version:
  description: Version of the API server.
  returned: when it answered
  type: str
  sample: v1.20.2
denied:
  description: The rights that are missing, each with only the verbs that were refused.
  returned: when it answered
  type: list
  elements: dict
  sample: []
missing:
  description: The objects that do not exist.
  returned: when it answered
  type: list
  elements: dict
  sample: []
unknown:
  description: The objects that this user may not read, so that nothing is known about them.
  returned: when it answered
  type: list
  elements: dict
  sample: []
refused:
  description: Why the Services of O(exposure) would be refused, and what to do; empty when they would be taken.
  returned: when it answered
  type: str
  sample: ""
claimed:
  description: The Services of O(exposure) to which somebody else gives addresses, with these and the writers' names.
  returned: when it answered
  type: list
  elements: dict
  sample:
    - {namespace: istio-system, name: istiod-lb, addresses: [198.51.100.7], managers: [some-controller]}
documents:
  description:
    - Of each of O(documents), the C(items) that are there, with their C(name), C(labels), the C(data) of the wanted
      keys, of a Pod its C(phase), of a Deployment the C(template_labels) and C(images) of its pods, of a Service
      its C(service), with C(type), C(selector) and C(ports), and of a Node its C(node), with C(ready) and C(addresses).
    - The C(state) is V(ok), V(missing), V(forbidden), V(unserved) when the API server does not know the kind, or
      V(invalid) when it does not understand the C(selector).
  returned: when it answered
  type: list
  elements: dict
  sample:
    - kind: Namespace
      namespace: ""
      name: istio-system
      selector: ""
      keys: []
      state: ok
      items: [{name: istio-system, labels: {}, data: {}, phase: "", template_labels: {}, images: [], service: {}}]
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeError,
    KubeForbidden,
    KubeInvalid,
    KubeLibraryMissing,
    KubeNotFound,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    NAMESPACES,
    NODES,
    PODS,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_GROUPS,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import trial
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.backends import BACKENDS, EXTERNAL_IPS
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule

_RESOURCES = {
    item.kind: item for item in (CONFIGMAPS, DEPLOYMENTS, ENDPOINTS, NAMESPACES, SECRETS, SERVICES, SERVICE_ACCOUNTS)
}
_READABLE = {item.kind: item for item in (CONFIGMAPS, DEPLOYMENTS, NAMESPACES, NODES, PODS, SERVICES, WORKLOAD_GROUPS)}
_OF_SERVICE = ("type", "selector", "ports")

Items = t.List[t.Dict[str, t.Any]]


def read(client: KubeClient, asked: dict[str, t.Any]) -> dict[str, t.Any]:
    """One of the documents, with what became of the question."""
    resource, namespace, name = _READABLE[asked["kind"]], asked["namespace"], asked["name"]
    try:
        if name:
            found = client.get(resource, namespace, name)
            items = [found] if found else []
        else:
            items = client.list(resource, namespace, asked.get("selector"))
    except KubeForbidden:
        return {**asked, "state": "forbidden", "items": []}
    except KubeNotFound:
        return {**asked, "state": "unserved", "items": []}
    except KubeInvalid:
        return {**asked, "state": "invalid", "items": []}
    state = "missing" if name and not items else "ok"
    return {**asked, "state": state, "items": [_part(item, asked) for item in items]}


def _part(found: dict[str, t.Any], asked: dict[str, t.Any]) -> dict[str, t.Any]:
    spec, data, keys = found.get("spec") or {}, found.get("data") or {}, asked["keys"]
    template = spec.get("template") or {}
    front = {key: spec[key] for key in _OF_SERVICE if key in spec} if asked["kind"] == SERVICES.kind else {}
    return {
        "name": found["metadata"]["name"],
        "labels": found["metadata"].get("labels") or {},
        "data": {key: data[key] for key in keys if key in data},
        "phase": (found.get("status") or {}).get("phase") or "" if asked["kind"] == PODS.kind else "",
        "template_labels": (template.get("metadata") or {}).get("labels") or {},
        "images": [item.get("image") or "" for item in (template.get("spec") or {}).get("containers") or []],
        "service": front,
        **({"node": _node(found.get("status") or {})} if asked["kind"] == NODES.kind else {}),
    }


def _node(status: dict[str, t.Any]) -> dict[str, t.Any]:
    states = {item.get("type"): item.get("status") for item in status.get("conditions") or []}
    return {"ready": states.get("Ready") == "True", "addresses": status.get("addresses") or []}


def inspect(
    client: KubeClient, access: Items, objects: Items, documents: Items, exposure: dict[str, t.Any] | None = None
) -> dict[str, t.Any]:
    """All answers; the first question also tells whether the API is there."""
    result: dict[str, t.Any] = {"version": client.server_version(), "denied": [], "missing": [], "unknown": []}
    for item in access:
        where = {key: item[key] for key in ("group", "resource", "subresource", "namespace", "name")}
        refused = [verb for verb in item["verbs"] if not client.can_i(verb=verb, **where)[0]]
        if refused:
            result["denied"].append({**item, "verbs": refused})
    for item in objects:
        try:
            found = client.get_metadata(_RESOURCES[item["kind"]], item["namespace"], item["name"])
        except KubeForbidden:
            result["unknown"].append(item)
        else:
            if found is None:
                result["missing"].append(item)
    result["documents"] = [read(client, item) for item in documents]
    exposed = exposure if not any(item["resource"] == "services" for item in result["denied"]) else None
    result["refused"] = trial.refusal(client, exposed) if exposed else ""
    balanced = exposed is not None and exposed["backend"] != EXTERNAL_IPS
    result["claimed"] = trial.claims(client, exposed) if exposed and balanced else []
    return result


def argument_spec() -> dict[str, t.Any]:
    access = {
        "verbs": {"type": "list", "elements": "str", "required": True},
        "resource": {"type": "str", "required": True},
        **{name: {"type": "str", "default": ""} for name in ("subresource", "group", "namespace", "name")},
    }
    objects = {
        "kind": {"type": "str", "required": True, "choices": sorted(_RESOURCES)},
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": ""},
    }
    documents = {
        "kind": {"type": "str", "required": True, "choices": sorted(_READABLE)},
        "selector": {"type": "str", "default": ""},
        "name": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": ""},
        "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    }
    exposure = {
        "vip": {"type": "str", "required": True},
        "services": {"type": "list", "elements": "dict", "required": True},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": EXTERNAL_IPS},
        "adopt": {"type": "bool", "default": False},
    }
    return {
        "access": {"type": "list", "elements": "dict", "default": [], "options": access},
        "documents": {"type": "list", "elements": "dict", "default": [], "options": documents},
        "exposure": {"type": "dict", "options": exposure},
        "objects": {"type": "list", "elements": "dict", "default": [], "options": objects},
        **kube_auth_argument_spec(),
    }


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params["exposure"] or {}, {"vip": _options.ADDRESS}, "exposure: "))
    try:
        client = connect(module.params["kubeconfig"], module.params["context"])
        asked = [module.params[name] for name in ("access", "objects", "documents", "exposure")]
        result = inspect(client, *asked)
    except KubeLibraryMissing as exc:
        module.fail_json(msg=str(exc))
    except KubeError as exc:
        module.exit_json(changed=False, reachable=False, error=str(exc))
    module.exit_json(changed=False, reachable=True, error="", **result)


def main() -> None:
    run(NestedModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
