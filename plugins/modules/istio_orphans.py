#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_orphans
short_description: Find registered virtual machines that belong to nobody any more
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Compares what M(mesh.expansion.istio_register) recorded in the API with the inventory. A virtual machine whose
    address no host of the inventory has is an orphan; whether it can go depends on whether it is silent.
  - Where istiod registers the virtual machines, it is silent while its sidecar is not connected. Otherwise somebody has
    to ask it, on the ports in RV(probe), for example with M(mesh.expansion.tcp_probe), and to give O(answering).
  - With O(remember), the time since which it is silent is noted in the annotation C(mesh.expansion/silent) of the
    object that holds it. Nothing else is changed. The note goes when it is heard of again.
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns the notes before and after.
options:
  registrations:
    description: What is in the inventory, as M(mesh.expansion.istio_register) takes it in its option C(services).
    type: list
    elements: dict
    required: true
  addresses:
    description: Addresses of other hosts of the inventory, which are no orphans either. Names of hosts are passed over.
    type: list
    elements: str
    default: []
  namespaces:
    description: Namespaces to look at beside those of O(registrations).
    type: list
    elements: str
    default: []
  backend:
    description:
      - By which objects the virtual machines are registered; see M(mesh.expansion.istio_register). All kinds of objects
        are looked at, those of this backend must be readable.
    type: str
    choices: [endpoints, endpoint_slice, workload_entry, auto]
    default: endpoints
  answering:
    description:
      - The addresses that answered when they were asked. Without this option nobody was asked, and of those that istiod
        does not know it is not known whether they are silent.
    type: list
    elements: str
  after:
    description: How long an orphan must be silent before it is in RV(due), in seconds.
    type: int
    default: 86400
  remember:
    description: Whether to note since when orphans are silent.
    type: bool
    default: false
seealso:
  - module: mesh.expansion.istio_register
  - module: mesh.expansion.tcp_probe
"""

EXAMPLES = r"""
- name: Look who is registered and not in the inventory
  mesh.expansion.istio_orphans:
    kubeconfig: ~/.kube/config
    registrations:
      - name: web
        ports: [http:9080]
        endpoints:
          - {address: 192.0.2.81, host: web1}
    backend: endpoint_slice
  delegate_to: localhost
  run_once: true
  register: found
"""

RETURN = r"""
orphans:
  description: The virtual machines that are registered, and whose address no host of the inventory has.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Where it is registered.
      type: str
    address:
      description: Its address.
      type: str
    host:
      description: The host of the inventory that it was, as far as that was recorded.
      type: str
    services:
      description: The Services that it is behind.
      type: list
      elements: str
    objects:
      description: The objects that hold it.
      type: list
      elements: str
    state:
      description:
        - V(connected) to istiod, V(answers), V(silent), or V(not asked) where somebody has to ask it.
      type: str
    since:
      description: Since when it is connected or known to be silent, or empty.
      type: str
    due:
      description: Whether it has been silent for as long as O(after) says.
      type: bool
  sample:
    - namespace: default
      address: 192.0.2.99
      host: web9
      services: [web]
      objects: [EndpointSlice default/web-vms-ipv4-5d1f0c2a.1]
      state: silent
      since: "2026-11-27T10:00:00Z"
      due: true
surplus:
  description:
    - Virtual machines of the inventory that are registered behind Services that it does not put them behind, with
      C(namespace), C(address), C(host), C(services) and C(objects).
  returned: success
  type: list
  elements: dict
probe:
  description: The orphans of whom it is not known whether they are silent, and the ports to ask them on.
  returned: success
  type: list
  elements: dict
  sample: [{address: 192.0.2.99, ports: [22, 9080]}]
due:
  description: What takes those out that are due, for M(mesh.expansion.istio_register) with C(state=absent).
  returned: success
  type: list
  elements: dict
  sample: [{namespace: default, name: web, endpoints: [{address: 192.0.2.99, host: web9}]}]
operations:
  description: The writes, in order; in check mode those that would be made. After a failure those made before it.
  returned: always
  type: list
  elements: str
  sample: ["update EndpointSlice default/web-vms-ipv4-5d1f0c2a.1"]
reached:
  description: Whether the API server answered.
  returned: failure
  type: bool
"""

import datetime
import ipaddress
import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError, KubeUnreachable
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register import orphans
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    Registration,
    RegistrationError,
    parse_address,
    parse_registrations,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.objects import annotation
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.orphans import Inventory, Orphan, Outcome
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.searcher import Searcher
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import BACKENDS
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def inventory(batch: t.Sequence[Registration], addresses: t.Iterable[str]) -> Inventory:
    behind = {(item.namespace, item.name, vm.address) for item in batch for vm in item.endpoints}
    return Inventory(behind, {*(address for *_where, address in behind), *filter(None, map(_address, addresses))})


def _address(text: str) -> str:
    """The normal form; a name is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def describe(plans: t.Sequence[Outcome], after: float, now: datetime.datetime) -> dict[str, t.Any]:
    """What was found, but for the writes."""
    found = [orphan for plan in plans for orphan in plan.orphans]
    due = [orphan for orphan in found if orphans.is_due(orphan, after, now)]
    return {
        "orphans": [_shown(orphan, orphan in due) for orphan in found],
        "surplus": [_standing(item) for plan in plans for item in plan.surplus],
        "probe": orphans.questions(found),
        "due": orphans.removal(due),
    }


def _standing(item: orphans.Standing) -> dict[str, t.Any]:
    return {
        "namespace": item.namespace,
        "address": item.address,
        "host": item.host,
        "services": list(item.services),
        "objects": item.objects,
    }


def _shown(orphan: Orphan, due: bool) -> dict[str, t.Any]:
    since = orphans.written(orphan.since) if orphan.since else ""
    return {**_standing(orphan.standing), "state": orphan.state, "since": since, "due": due}


def notes(plans: t.Sequence[Outcome]) -> dict[str, t.Any]:
    """The writes that remember."""
    operations = [operation for plan in plans for operation in plan.operations]

    def lines(name: str) -> str:
        return "".join(
            f"{item.label}: {annotation(getattr(item, name), orphans.SILENT_ANNOTATION) or 'no note'}\n"
            for item in operations
        )

    return {
        "changed": bool(operations),
        "operations": [str(operation) for operation in operations],
        "diff": {"before": lines("actual"), "after": lines("body")},
    }


def argument_spec() -> dict[str, t.Any]:
    return {
        "registrations": {"type": "list", "elements": "dict", "required": True},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "namespaces": {"type": "list", "elements": "str", "default": []},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": BACKENDS[0]},
        "answering": {"type": "list", "elements": "str"},
        "after": {"type": "int", "default": 86400},
        "remember": {"type": "bool", "default": False},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "namespaces": _options.NAMESPACE,
    "after": _options.LIFETIME_OR_NONE,
}


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    params = module.params
    written: list[str] = []
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        batch = parse_registrations(params["registrations"], backend="")
        answering = params["answering"]
        if answering is not None:
            answering = {parse_address(address, "answering") for address in answering}
        client = connect(params["kubeconfig"], params["context"])
        known = inventory(batch, params["addresses"])
        searcher = Searcher(client, params["backend"], known, answering, now)
        written = searcher.written
        namespaces = dict.fromkeys([*(item.namespace for item in batch), *params["namespaces"]])
        plans = {namespace: searcher.plan(namespace) for namespace in namespaces}
        if params["remember"] and not module.check_mode:
            for namespace, found in plans.items():
                searcher.remember(namespace, found)
    except (RegistrationError, KubeError) as exc:
        reached = not isinstance(exc, KubeUnreachable)
        module.fail_json(msg=str(exc), reached=reached, operations=written, changed=bool(written))
    nothing = {"changed": False, "operations": []}
    result = notes(list(plans.values())) if params["remember"] else nothing
    module.exit_json(**describe(list(plans.values()), params["after"], now), **result)


def main() -> None:
    run(NestedModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
