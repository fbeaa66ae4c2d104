#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_drain
short_description: Take virtual machines out of the endpoints of a mesh for a while
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Takes virtual machines that M(mesh.expansion.istio_register) registered, or istiod for it, out of the endpoints of
    all their Services, and puts them back. They stay registered, and a later registration leaves them drained.
  - In Endpoints and EndpointSlices the address becomes not ready, a WorkloadEntry becomes unhealthy.
  - Where istiod registers the machines itself, it hears of a machine's health from its sidecar, when that changes or
    when the sidecar connects. So a machine is back when its sidecar has been restarted and its probe succeeds.
  - Clients stop sending to the machine within about a second. M(mesh.expansion.vm_connections) waits for what they have
    sent before.
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns for each object that changes whether it has the machines in or out.
options:
  state:
    description:
      - With V(drained), clients send no requests to the machines any more.
      - With V(undrained), they do again, as far as it was this module that kept them from it.
    type: str
    choices: [drained, undrained]
    default: drained
  addresses:
    description: The addresses of the machines, as they were registered.
    type: list
    elements: str
    required: true
  namespaces:
    description: The namespaces of their Services.
    type: list
    elements: str
    default: [default]
  backend:
    description:
      - By which objects they were registered; see M(mesh.expansion.istio_register). All kinds of objects are looked at,
        those of this backend must be readable.
    type: str
    choices: [endpoints, endpoint_slice, workload_entry, auto]
    default: endpoints
  last:
    description:
      - Whether to drain the machines although a Service is left without anybody who takes its requests.
    type: bool
    default: false
seealso:
  - module: mesh.expansion.istio_register
  - module: mesh.expansion.vm_connections
"""

EXAMPLES = r"""
- name: Take a VM out before its upgrade
  mesh.expansion.istio_drain:
    kubeconfig: ~/.kube/config
    addresses: [192.0.2.81]
    backend: auto
  delegate_to: localhost
  run_once: true

- name: Put it back
  mesh.expansion.istio_drain:
    kubeconfig: ~/.kube/config
    state: undrained
    addresses: [192.0.2.81]
    backend: auto
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
operations:
  description: The writes, in order; in check mode those that would be made. After a failure those made before it.
  returned: always
  type: list
  elements: str
  sample: ["update status of WorkloadEntry default/shop-192.0.2.81"]
services:
  description: The Services that each machine is registered behind, by its address.
  returned: success
  type: dict
  sample: {"192.0.2.81": ["default/shop"]}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.drain import Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.drainer import Drainer
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    RegistrationError,
    parse_address,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import BACKENDS

_IN = "takes requests"
_OUT = "drained"


def argument_spec() -> dict[str, t.Any]:
    return {
        "state": {"type": "str", "choices": ["drained", "undrained"], "default": "drained"},
        "addresses": {"type": "list", "elements": "str", "required": True},
        "namespaces": {"type": "list", "elements": "str", "default": ["default"]},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": BACKENDS[0]},
        "last": {"type": "bool", "default": False},
        **kube_auth_argument_spec(),
    }


def refuse_last(plans: t.Iterable[Outcome], addresses: t.Sequence[str]) -> None:
    last = [service for found in plans for service in found.last]
    if last:
        raise RegistrationError(
            f"Nobody but {', '.join(addresses)} takes requests for {', '.join(last)}. Put another VM or pod behind it "
            "first, drain fewer VMs at once, or accept that it is unreachable (last, registration_drain_last: true)."
        )


def describe(plans: t.Mapping[str, Outcome], drained: bool) -> dict[str, t.Any]:
    operations = [operation for found in plans.values() for operation in found.operations]
    before, after = (_IN, _OUT) if drained else (_OUT, _IN)
    services: dict[str, list[str]] = {}
    for found in plans.values():
        for address, names in found.services.items():
            services.setdefault(address, []).extend(names)
    return {
        "changed": bool(operations),
        "operations": [str(operation) for operation in operations],
        "diff": {
            "before": "".join(f"{operation.label}: {before}\n" for operation in operations),
            "after": "".join(f"{operation.label}: {after}\n" for operation in operations),
        },
        "services": services,
    }


_KINDS = {
    "namespaces": _options.NAMESPACE,
}


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    params = module.params
    drained = params["state"] == "drained"
    written: list[str] = []
    try:
        addresses = [parse_address(address, "addresses") for address in params["addresses"]]
        client = connect(params["kubeconfig"], params["context"])
        drainer = Drainer(client, params["backend"], addresses, drained)
        written = drainer.written
        plans = {namespace: drainer.plan(namespace) for namespace in dict.fromkeys(params["namespaces"])}
        if drained and not params["last"]:
            refuse_last(plans.values(), addresses)
        if not module.check_mode:
            for namespace, found in plans.items():
                drainer.apply(namespace, found)
    except (RegistrationError, KubeError) as exc:
        module.fail_json(msg=str(exc), operations=written, changed=bool(written))
    result = describe(plans, drained)
    for address in addresses:
        if not result["services"].get(address):
            module.warn(f"{address} is behind no Service of {', '.join(plans)}: it gets no requests of the mesh.")
    module.exit_json(**result)


def main() -> None:
    run(AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
