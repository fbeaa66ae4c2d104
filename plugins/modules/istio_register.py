#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_register
short_description: Register virtual machines as endpoints of Services in an Istio mesh
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Registers the addresses of virtual machines behind Kubernetes Services, as C(istioctl register) does, all of a run
    in one batch. For each Service there is a Service object without selector and an Endpoints object of the same name.
  - A second run changes nothing. Several control nodes may register at the same time, nobody's address is lost.
  - What this module wrote is recorded in the annotation C(mesh.expansion/registered), so that O(state=absent) removes
    nothing else. Objects that this module created are deleted when their last address is gone.
  - Services with a selector are refused. Services without one that somebody else created are used but never changed.
extends_documentation_fragment:
  - mesh.expansion._kube_auth
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns the Services and Endpoints before and after, without fields that the API server keeps.
options:
  state:
    description:
      - With V(present), the addresses are registered, on top of those that are registered already.
      - With V(absent), the addresses are removed as far as this module registered them.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description:
      - With O(state=present), also remove the addresses that this module registered earlier behind the given Services
        and that O(services) does not list any more.
      - Leave it off where several inventories register VMs behind the same Service.
    type: bool
    default: false
  services:
    description: The Services with the virtual machines behind them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the Service.
        type: str
        required: true
      namespace:
        description: Namespace of the Service.
        type: str
        default: default
      ports:
        description:
          - Ports of the Service, each a mapping with C(name) and C(port), or a string such as V(http:9080).
          - A name begins with the port's protocol, up to the first C(-). Pilot knows V(tcp), V(udp), V(grpc), V(http),
            V(http2), V(https), V(tls), V(mongo) and V(redis).
          - Not needed with O(state=absent).
        type: list
        elements: raw
        default: []
      service_account:
        description: The ServiceAccount whose identity the virtual machines present.
        type: str
        default: default
      endpoints:
        description: The virtual machines.
        type: list
        elements: dict
        required: true
        suboptions:
          address:
            description: IP address at which pods reach the machine.
            type: str
            required: true
          host:
            description: Name of the machine for messages and the record, for example its inventory name.
            type: str
          ports:
            description: The ports that this machine serves, when they are not all of the Service's.
            type: list
            elements: raw
            default: []
          service_account:
            description: The machine's ServiceAccount, when it is not the Service's.
            type: str
"""

EXAMPLES = r"""
- name: Register a VM that serves HTTP on 9080
  mesh.expansion.istio_register:
    kubeconfig: ~/.kube/config
    services:
      - name: deb-nginx01
        namespace: default
        ports: ["http:9080"]
        service_account: default
        endpoints:
          - address: 192.168.0.81
            host: deb-nginx01
  delegate_to: localhost
  run_once: true

- name: Two VMs behind one Service, one of them with a port more
  mesh.expansion.istio_register:
    services:
      - name: shop
        ports:
          - name: http-shop
            port: 9080
        endpoints:
          - address: 192.168.0.81
          - address: 192.168.0.82
            ports: ["http-shop:9080", "grpc-stock:9443"]
  delegate_to: localhost
  run_once: true

- name: Take a VM out again
  mesh.expansion.istio_register:
    state: absent
    services:
      - name: deb-nginx01
        endpoints:
          - address: 192.168.0.81
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
operations:
  description: The writes, in order; in check mode those that would be made.
  returned: always
  type: list
  elements: str
  sample: ["create Endpoints default/deb-nginx01", "create Service default/deb-nginx01"]
services:
  description: Per Service the addresses that its Endpoints hold afterwards, whoever registered them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: deb-nginx01
      namespace: default
      addresses: ["192.168.0.81"]
      changed: true
attempts:
  description: The largest number of attempts that one Service took; more than 1 means that somebody else wrote too.
  returned: success
  type: int
  sample: 1
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import (
    KubeClient,
    connect,
    kube_auth_argument_spec,
)
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeConflict, KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._kube.resources import ENDPOINTS, SERVICES
from ansible_collections.mesh.expansion.plugins.module_utils._kube.retry import retry_on_conflict
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    Registration,
    RegistrationError,
    duplicate_address_warnings,
    parse_registrations,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.plan import (
    Plan,
    plan_absent,
    plan_present,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import dump

_RESOURCES = {"Service": SERVICES, "Endpoints": ENDPOINTS}

# The endpoints controller removes the Endpoints of a deleted Service a moment later. After a collision, look again.
_SETTLE_SECONDS = 0.5


class Registrar:
    """Carries out one batch; `written` says what was done, also when it ends in an error."""

    def __init__(
        self, client: KubeClient, state: str, purge: bool, sleep: t.Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._state = state
        self._purge = purge
        self._sleep = sleep
        self.written: list[str] = []
        self.attempts = 0

    def plan(self, registration: Registration) -> Plan:
        # The Service first, then the Endpoints: see _mesh/register/plan.py for why the order matters.
        service = self._client.get(SERVICES, registration.namespace, registration.name)
        endpoints = self._client.get(ENDPOINTS, registration.namespace, registration.name)
        if self._state == "absent":
            return plan_absent(registration, service, endpoints)
        return plan_present(registration, service, endpoints, self._purge)

    def apply(self, registration: Registration) -> Plan:
        """Write until a fresh reading of the API needs no more writing; returns the plan of that reading."""

        def attempt(number: int) -> Plan:
            self.attempts = max(self.attempts, number + 1)
            for operation in self.plan(registration).operations:
                self._write(registration, operation.action, operation.kind, operation.body)
            if number:
                self._sleep(_SETTLE_SECONDS)
            settled = self.plan(registration)
            if settled.operations:
                raise KubeConflict(f"{registration.label} changed while it was written.")
            return settled

        return retry_on_conflict(attempt, f"The registration of {registration.label}", sleep=self._sleep)

    def _write(self, registration: Registration, action: str, kind: str, body: dict[str, t.Any]) -> None:
        resource = _RESOURCES[kind]
        if action == "create":
            self._client.create(resource, registration.namespace, body)
        elif action == "update":
            self._client.replace(resource, registration.namespace, body)
        else:
            version = body["metadata"]["resourceVersion"]
            self._client.delete(resource, registration.namespace, registration.name, version)
        self.written.append(f"{action} {kind} {registration.label}")


def describe(plans: t.Sequence[tuple[Registration, Plan]]) -> dict[str, t.Any]:
    """Everything that is reported, from the plans alone, so that check mode and a real run say the same."""
    return {
        "changed": any(plan.operations for _registration, plan in plans),
        "operations": [f"{op.action} {op.kind} {reg.label}" for reg, plan in plans for op in plan.operations],
        "diff": {
            "before": dump({name: body for _reg, plan in plans for name, body in plan.before.items()}),
            "after": dump({name: body for _reg, plan in plans for name, body in plan.after.items()}),
        },
        "services": [
            {
                "name": registration.name,
                "namespace": registration.namespace,
                "addresses": plan.addresses,
                "changed": bool(plan.operations),
            }
            for registration, plan in plans
        ],
    }


def argument_spec() -> dict[str, t.Any]:
    endpoint = {
        "address": {"type": "str", "required": True},
        "host": {"type": "str"},
        "ports": {"type": "list", "elements": "raw", "default": []},
        "service_account": {"type": "str"},
    }
    service = {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": "default"},
        "ports": {"type": "list", "elements": "raw", "default": []},
        "service_account": {"type": "str", "default": "default"},
        "endpoints": {"type": "list", "elements": "dict", "required": True, "options": endpoint},
    }
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "purge": {"type": "bool", "default": False},
        "services": {"type": "list", "elements": "dict", "required": True, "options": service},
        **kube_auth_argument_spec(),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    written: list[str] = []
    try:
        batch = parse_registrations(module.params["services"], ports_required=module.params["state"] == "present")
        client = connect(module.params["kubeconfig"], module.params["context"])
        registrar = Registrar(client, module.params["state"], module.params["purge"])
        written = registrar.written
        plans = [(registration, registrar.plan(registration)) for registration in batch]
        result = describe(plans)
        if not module.check_mode:
            for (registration, plan), shown in zip(plans, result["services"]):
                if plan.operations:
                    shown["addresses"] = registrar.apply(registration).addresses
    except (RegistrationError, KubeError) as exc:
        module.fail_json(msg=str(exc), operations=written, changed=bool(written))
    if not module.check_mode:
        # What was written in the end may differ from the first plan when somebody else wrote at the same time.
        result["operations"] = written
        result["changed"] = bool(written)
    for text in [
        *duplicate_address_warnings(batch),
        *(w for _reg, plan in plans for w in plan.warnings),
        *client.warnings,
    ]:
        module.warn(text)
    module.exit_json(attempts=max(1, registrar.attempts), **result)


if __name__ == "__main__":
    main()
