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
        choices: [ConfigMap, Deployment, Namespace, WorkloadGroup]
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
documents:
  description:
    - Of each of O(documents), the C(items) that are there, with their C(name), C(labels), the C(data) of the wanted
      keys, and of a Deployment the C(template_labels) of its pods.
    - The C(state) is V(ok), V(missing), V(forbidden), or V(unserved) when the API server does not know the kind.
  returned: when it answered
  type: list
  elements: dict
  sample:
    - kind: Namespace
      namespace: ""
      name: istio-system
      keys: []
      state: ok
      items: [{name: istio-system, labels: {}, data: {}, template_labels: {}}]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeError,
    KubeForbidden,
    KubeLibraryMissing,
    KubeNotFound,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import (
    CONFIGMAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WORKLOAD_GROUPS,
)

_RESOURCES = {
    item.kind: item for item in (CONFIGMAPS, DEPLOYMENTS, ENDPOINTS, NAMESPACES, SECRETS, SERVICES, SERVICE_ACCOUNTS)
}
_READABLE = {item.kind: item for item in (CONFIGMAPS, DEPLOYMENTS, NAMESPACES, WORKLOAD_GROUPS)}

Items = t.List[t.Dict[str, t.Any]]


def read(client: KubeClient, asked: dict[str, t.Any]) -> dict[str, t.Any]:
    """One of the documents, with what became of the question."""
    resource, namespace, name = _READABLE[asked["kind"]], asked["namespace"], asked["name"]
    try:
        if name:
            found = client.get(resource, namespace, name)
            items = [found] if found else []
        else:
            items = client.list(resource, namespace)
    except KubeForbidden:
        return {**asked, "state": "forbidden", "items": []}
    except KubeNotFound:
        return {**asked, "state": "unserved", "items": []}
    state = "missing" if name and not items else "ok"
    return {**asked, "state": state, "items": [_part(item, asked["keys"]) for item in items]}


def _part(found: dict[str, t.Any], keys: t.Sequence[str]) -> dict[str, t.Any]:
    template = (found.get("spec") or {}).get("template") or {}
    data = found.get("data") or {}
    return {
        "name": found["metadata"]["name"],
        "labels": found["metadata"].get("labels") or {},
        "data": {key: data[key] for key in keys if key in data},
        "template_labels": (template.get("metadata") or {}).get("labels") or {},
    }


def inspect(client: KubeClient, access: Items, objects: Items, documents: Items) -> dict[str, t.Any]:
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
        "name": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": ""},
        "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    }
    return {
        "access": {"type": "list", "elements": "dict", "default": [], "options": access},
        "documents": {"type": "list", "elements": "dict", "default": [], "options": documents},
        "objects": {"type": "list", "elements": "dict", "default": [], "options": objects},
        **kube_auth_argument_spec(),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        client = connect(module.params["kubeconfig"], module.params["context"])
        result = inspect(client, module.params["access"], module.params["objects"], module.params["documents"])
    except KubeLibraryMissing as exc:
        module.fail_json(msg=str(exc))
    except KubeError as exc:
        module.exit_json(changed=False, reachable=False, error=str(exc))
    module.exit_json(changed=False, reachable=True, error="", **result)


if __name__ == "__main__":
    main()
