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
    - C(create) and C(apply) are server-side applies, C(patch) takes out what others added.
  returned: always
  type: list
  elements: str
  sample: ["create Service kube-system/kube-dns-lb", "apply Service istio-system/istio-pilot-lb"]
"""

import itertools
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import (
    KubeConflict,
    KubeDenied,
    KubeError,
    KubeFieldConflict,
    KubeForbidden,
    KubeInvalid,
    KubeNotFound,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import SERVICES
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import retry_on_conflict
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.failures import (
    explain,
    only_with_ourselves,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.model import (
    ExposureError,
    parse_address,
    parse_services,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.plan import (
    Operation,
    Plan,
    missing,
    plan_absent,
    plan_present,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure.services import (
    LABEL_SELECTOR,
    exposure_manifests,
    is_ours,
    label,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import dump

# These are answers about one object: the others can still be written.
_REFUSALS = (KubeConflict, KubeDenied, KubeFieldConflict, KubeForbidden, KubeInvalid, KubeNotFound)


class Exposer:
    """Reads, plans and writes; `written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        params: t.Mapping[str, t.Any],
        check_mode: bool = False,
        sleep: t.Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._state: str = params["state"]
        self._vip: str = params["vip"] or ""
        self._manifests = _manifests(params)
        self._adopt: bool = params["adopt"]
        self._check_mode = check_mode
        self._sleep = sleep
        self.written: list[str] = []

    def plan(self) -> Plan:
        live = self._client.list(SERVICES, None, LABEL_SELECTOR)
        if self._state == "absent":
            return plan_absent(live)
        others = [self._client.get(SERVICES, *where) for where in missing(self._manifests, live)]
        return plan_present(self._manifests, [*live, *(found for found in others if found)], self._adopt)

    def apply(self, plan: Plan) -> None:
        """Write, in check mode without effect. Nothing is removed when something could not be applied."""
        failures: list[KubeError] = []
        for _where, group in itertools.groupby(plan.operations, key=lambda operation: operation.service):
            operations = list(group)
            if failures and operations[0].action == "delete":
                break
            # Without effect, the second write of a Service would not find what the first one makes of it.
            for operation in operations[:1] if self._check_mode else operations:
                try:
                    self._write(operation)
                except _REFUSALS as exc:
                    failures.append(exc)
                    break
        if failures:
            raise ExposureError(explain(failures, self._vip))

    def _write(self, operation: Operation) -> None:
        namespace, name = operation.service
        if operation.action == "delete":
            self._delete(operation)
        elif operation.action == "patch":
            self._client.patch(SERVICES, namespace, name, operation.body, dry_run=self._check_mode)
        else:
            self._server_side_apply(operation)
        if not self._check_mode:
            self.written.append(str(operation))

    def _server_side_apply(self, operation: Operation) -> None:
        namespace = operation.service[0]
        try:
            self._client.apply(SERVICES, namespace, operation.body, self._adopt, self._check_mode)
        except KubeFieldConflict as exc:
            if not only_with_ourselves(exc):
                raise
            self._client.apply(SERVICES, namespace, operation.body, True, self._check_mode)

    def _delete(self, operation: Operation) -> None:
        def attempt(number: int) -> None:
            found = self._client.get(SERVICES, *operation.service) if number else operation.body
            if found is not None and is_ours(found):
                version = found["metadata"]["resourceVersion"]
                self._client.delete(SERVICES, *operation.service, version, dry_run=self._check_mode)

        retry_on_conflict(attempt, label(operation.service), sleep=self._sleep)


def _manifests(params: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    if params["state"] == "absent":
        return []
    if not params["services"]:
        raise ExposureError("services is empty, so nothing would stay exposed. Use state: absent if that is wanted.")
    vip = parse_address(params["vip"], "vip (exposure_vip in the role exposure)")
    return exposure_manifests(parse_services(params["services"]), str(vip))


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
        "adopt": {"type": "bool", "default": False},
        **kube_auth_argument_spec(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_if=[("state", "present", ("vip", "services"))],
        supports_check_mode=True,
    )
    written: list[str] = []
    try:
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


if __name__ == "__main__":
    main()
