#!/usr/bin/python
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_register
short_description: Register virtual machines behind Services of an Istio mesh
version_added: "1.0.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - Registers the addresses of virtual machines behind Kubernetes Services, all of a run in one batch. O(backend) says
    by which objects; with V(endpoints) they are those of C(istioctl register).
  - A second run changes nothing. Several control nodes may register at the same time, nobody's address is lost.
  - What this module wrote is recorded in the annotation C(mesh.expansion/registered), so that O(state=absent) removes
    nothing else. Objects that this module created are deleted when their last address is gone, but for a Service that
    pods are behind and a ServiceAccount that pods run as.
  - Services that somebody else created are used but never changed.
  - A Service has one backend. With another one, all virtual machines that this module registered behind it move, also
    those that O(services) does not list. The new objects are written first, then the Service looks at them, and two
    seconds after that the old ones go.
extends_documentation_fragment:
  - mesh.expansion._kube_auth
  - mesh.expansion._kube_auth.in_process
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the prediction without changing anything.
  diff_mode:
    support: full
    description: Returns the objects that change before and after, without fields that the API server keeps.
options:
  state:
    description:
      - With V(present), the addresses are registered, on top of those that are registered already.
      - With V(absent), the addresses are removed as far as this module registered them.
      - With V(prepared), only what is needed before the virtual machines' sidecars are set up is written. That is all
        of it with O(backend=auto), the ServiceAccounts with O(backend=workload_entry), and nothing with the others;
        but all that can be there already for machines that istiod has registered, and that O(backend) is to carry.
    type: str
    choices: [present, absent, prepared]
    default: present
  backend:
    description:
      - V(endpoints) is a Service without selector and an Endpoints object of the same name. Services with a selector
        are refused. For Istio 1.0 to 1.4.
      - V(endpoint_slice) is a Service without selector and EndpointSlices. Clients of the mesh send to these addresses
        without mutual TLS. A Service with a selector that somebody else created gets the virtual machines beside its
        pods.
      - V(workload_entry) is a Service with a selector and one WorkloadEntry for each virtual machine, whatever it
        serves. A Service with a selector that somebody else created gets the virtual machines beside its pods.
      - V(auto) is a Service with a selector and WorkloadGroups. istiod writes the WorkloadEntry itself when a virtual
        machine's sidecar connects that names the group, and removes it ten seconds after the sidecar has gone. What
        changes in a group is written into the entries of its members here, for istiod does not do that. A group
        stays as long as a sidecar is connected as its member.
      - V(workload_entry) and V(auto) need the definitions of Istio in the cluster.
      - With O(state=absent), virtual machines are found however they were registered.
    type: str
    choices: [endpoints, endpoint_slice, workload_entry, auto]
    default: endpoints
    version_added: "1.1.0"
  service_accounts:
    description:
      - With O(backend=workload_entry) or O(backend=auto), make the ServiceAccounts that are missing, and remove them
        with the last virtual machine that uses them, however it is registered by then.
    type: bool
    default: true
    version_added: "1.1.0"
  wait:
    description:
      - With O(backend=auto), how many seconds to wait for what istiod does by itself. With O(state=present) that is
        registering the virtual machines, after which what registered them before can go; with O(state=absent) it is
        seeing that their sidecars have gone, after which their groups can go.
      - What has not happened by then is no failure. It is in RV(services) as C(pending), or in a warning.
    type: int
    default: 0
    version_added: "1.1.0"
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
      selector:
        description:
          - With O(backend=workload_entry) or O(backend=auto), the labels by which the Service finds its virtual
            machines, and pods. They are given to the virtual machines.
          - By default one label of the collection's own, C(service.mesh.expansion/NAME), so that a virtual machine can
            be behind several Services. A Service that somebody else created says itself what it selects.
        type: dict
        version_added: "1.1.0"
      plain_clients:
        description:
          - With O(backend=workload_entry) or O(backend=auto), let pods without a sidecar reach the virtual machines
            too. kube-proxy knows no WorkloadEntry, so the addresses get an EndpointSlice beside it that istiod leaves
            out.
          - Such requests come without mutual TLS, so a virtual machine whose policy is STRICT refuses them.
        type: bool
        default: false
        version_added: "1.1.0"
      probe:
        description:
          - With O(backend=auto), the C(probe) of the WorkloadGroup, by which a sidecar tells istiod that the virtual
            machine is healthy.
        type: dict
        version_added: "1.1.0"
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
          weight:
            description: Its share of the requests, with O(backend=workload_entry) or O(backend=auto).
            type: int
            version_added: "1.1.0"
          locality:
            description:
              - Where it is, as C(region/zone/subzone), with O(backend=workload_entry) or O(backend=auto).
            type: str
            version_added: "1.1.0"
          network:
            description: Name of its network, with O(backend=workload_entry) or O(backend=auto).
            type: str
            version_added: "1.1.0"
          labels:
            description: More labels of its workload, with O(backend=workload_entry) or O(backend=auto).
            type: dict
            version_added: "1.1.0"
          group:
            description:
              - With O(backend=auto), the WorkloadGroup that it is a member of. All members of a group serve the same
                Services on the same ports.
              - By default the group where it is already, else one that is named as the first of its Services.
            type: str
            version_added: "1.1.0"
          probe:
            description:
              - With O(backend=auto), the probe of its WorkloadGroup, in place of the Service's. All members of a group
                have the same.
            type: dict
            version_added: "1.1.0"
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

- name: VMs beside the pods of a Service of today's Istio, one of them with half of the requests
  mesh.expansion.istio_register:
    backend: workload_entry
    services:
      - name: shop
        ports: ["http-shop:9080"]
        service_account: shop
        selector: {app: shop}
        plain_clients: true
        endpoints:
          - address: 192.168.0.81
            weight: 2
          - address: 192.168.0.82
            weight: 1
  delegate_to: localhost
  run_once: true

- name: VMs that istiod registers itself
  mesh.expansion.istio_register:
    backend: auto
    services:
      - name: shop
        ports: ["http-shop:9080"]
        service_account: shop
        probe: {httpGet: {path: /healthz, port: 9080}}
        endpoints:
          - address: 192.168.0.81
            network: vm-network
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
  description:
    - Per Service the addresses behind it afterwards; with O(backend=endpoints) whoever registered them.
    - Those in C(pending) are not registered by istiod yet, with O(backend=auto).
  returned: success
  type: list
  elements: dict
  sample:
    - name: deb-nginx01
      namespace: default
      addresses: ["192.168.0.81"]
      pending: []
      changed: true
moving:
  description:
    - The hosts whose sidecars have to be set up anew for O(backend). With O(backend=auto) these are registered in
      another way, and not by istiod yet; with the others istiod has registered them.
  returned: success
  type: list
  elements: str
  sample: [deb-nginx01]
left:
  description: What may still hold the virtual machines, with O(state=absent).
  returned: failure
  type: list
  elements: str
  sample: ["Service default/deb-nginx01", "Endpoints default/deb-nginx01"]
attempts:
  description: The largest number of attempts that a namespace took; more than 1 means that somebody else wrote too.
  returned: success
  type: int
  sample: 1
requests:
  description: The number of requests to the API server.
  returned: success
  type: int
  sample: 6
"""

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _options
from ansible_collections.mesh.expansion.plugins.module_utils._kube.client import connect, kube_auth_argument_spec
from ansible_collections.mesh.expansion.plugins.module_utils._kube.errors import KubeError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.layers import Wish
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.left import left_over
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.model import (
    RegistrationError,
    by_namespace,
    duplicate_address_warnings,
    parse_registrations,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.objects import visible
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.plan import Round
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.registrar import Namespaced, Registrar
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.services import BACKENDS
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.settings.yaml_text import dump
from ansible_collections.mesh.expansion.plugins.module_utils._module import NestedModule


def describe(plans: t.Sequence[Namespaced]) -> dict[str, t.Any]:
    """Everything that is reported, from the plans alone, so that check mode and a real run say the same."""
    operations = [operation for plan in plans for operation in plan.operations]
    before: dict[str, t.Any] = {}
    after: dict[str, t.Any] = {}
    # An object may be written twice on its way: the first says what was there, the last what will be.
    for operation in operations:
        if operation.label not in after:
            before[operation.label] = operation.actual
        after[operation.label] = None if operation.action == "delete" else operation.body
    return {
        "changed": bool(operations),
        "operations": [str(operation) for operation in operations],
        "diff": {"before": _shown(before), "after": _shown(after)},
        "services": [item for plan in plans for item in describe_services(plan, plan.last)],
        "moving": list(dict.fromkeys(host for plan in plans for host in plan.last.moving)),
    }


def _shown(objects: dict[str, t.Any]) -> str:
    return dump({name: visible(body) for name, body in objects.items() if body is not None})


def describe_services(plan: Namespaced, last: Round) -> list[dict[str, t.Any]]:
    written = {name for operation in plan.operations for name in operation.services}
    return [
        {
            "name": item.name,
            "namespace": item.namespace,
            "addresses": last.addresses[item.name],
            "pending": last.pending.get(item.name, []),
            "changed": item.name in written,
        }
        for item in plan.batch
    ]


def argument_spec() -> dict[str, t.Any]:
    endpoint = {
        "address": {"type": "str", "required": True},
        "host": {"type": "str"},
        "ports": {"type": "list", "elements": "raw", "default": []},
        "service_account": {"type": "str"},
        "weight": {"type": "int"},
        "locality": {"type": "str"},
        "network": {"type": "str"},
        "labels": {"type": "dict"},
        "group": {"type": "str"},
        "probe": {"type": "dict"},
    }
    service = {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "default": "default"},
        "ports": {"type": "list", "elements": "raw", "default": []},
        "service_account": {"type": "str", "default": "default"},
        "selector": {"type": "dict"},
        "plain_clients": {"type": "bool", "default": False},
        "probe": {"type": "dict"},
        "endpoints": {"type": "list", "elements": "dict", "required": True, "options": endpoint},
    }
    return {
        "state": {"type": "str", "choices": ["present", "absent", "prepared"], "default": "present"},
        "backend": {"type": "str", "choices": list(BACKENDS), "default": BACKENDS[0]},
        "purge": {"type": "bool", "default": False},
        "service_accounts": {"type": "bool", "default": True},
        "wait": {"type": "int", "default": 0},
        "services": {"type": "list", "elements": "dict", "required": True, "options": service},
        **kube_auth_argument_spec(),
    }


_KINDS = {
    "wait": _options.SECONDS,
}


def run(module: t.Any) -> None:
    _options.refuse(module, _options.wrong(module.params, _KINDS))
    params = module.params
    written: list[str] = []
    left: dict[str, list[str]] = {}
    try:
        prepare = params["state"] == "prepared"
        state = "present" if prepare else params["state"]
        batch = parse_registrations(params["services"], state == "present", params["backend"])
        wish = Wish(state, params["backend"], params["purge"], params["service_accounts"], prepare)
        if state == "absent":
            left["left"] = left_over(batch, wish, [])
        client = connect(params["kubeconfig"], params["context"])
        registrar = Registrar(client, wish)
        written = registrar.written
        plans = [registrar.plan(namespace, items) for namespace, items in by_namespace(batch).items()]
        result = describe(plans)
        ends = {plan.namespace: plan.last for plan in plans}
        if not module.check_mode:
            for plan in plans:
                if plan.operations or (plan.last.waiting and params["wait"]):
                    ends[plan.namespace] = registrar.settle(plan.namespace, plan.batch, params["wait"])
            result["services"] = [item for plan in plans for item in describe_services(plan, ends[plan.namespace])]
    except (RegistrationError, KubeError) as exc:
        if written and left:
            left["left"] = left_over(batch, wish, written)
        module.fail_json(msg=str(exc), operations=written, changed=bool(written), **left)
    if not module.check_mode:
        # What was written in the end may differ from the first plan when somebody else wrote at the same time.
        result["operations"] = written
        result["changed"] = bool(written)
    told = [*(w for plan in plans for w in plan.warnings), *(w for end in ends.values() for w in end.stays)]
    for text in [*duplicate_address_warnings(batch), *told, *client.warnings]:
        module.warn(text)
    module.exit_json(attempts=max(1, registrar.attempts), requests=client.requests, **result)


def main() -> None:
    run(NestedModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
