# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the cluster that only istiod has: what VMs are to it, whether they are well, clients without a sidecar.

Private to the collection.
"""

from __future__ import annotations

import typing as t

from ..._kube.errors import KubeError
from ..._kube.resources import PEER_AUTHENTICATIONS, WORKLOAD_ENTRIES
from ..register.layers import Wish
from ..register.model import Registration, RegistrationError, by_namespace
from ..register.objects import Operation, visible
from ..register.registrar import Registrar
from ..register.services import AUTO, ENTRIES, SELECTING
from ..register.subsets import Port
from ..register.workload_entry import DISCONNECTED_ANNOTATION, address_of
from . import cluster_requests as requests
from .cluster_model import LONG, Context, Mapping, Said, own_fault
from .model import Finding, differences
from .policies import STRICT, mode_of

# Set by istiod on an entry whose sidecar asks the VM's own services whether they are well.
HEALTH_ANNOTATION = "proxy.istio.io/health-checks-enabled"
_SLICE = "EndpointSlice"


class Vm(t.NamedTuple):
    """One VM in a namespace, with what it serves there."""

    host: str
    address: str
    account: str
    services: tuple[str, ...]


def vms_of(batch: t.Sequence[Registration]) -> list[Vm]:
    found: dict[str, Vm] = {}
    for item in batch:
        for vm in item.endpoints:
            known = found.get(vm.address, Vm(vm.host or vm.address, vm.address, vm.service_account, ()))
            found[vm.address] = known._replace(services=(*known.services, item.name))
    return list(found.values())


def groups(context: Context) -> t.Iterator[Said]:
    """I4: what istio_register would still do for each VM."""
    backend = context.options["registration_backend"]
    for namespace, batch in by_namespace(context.batch).items():
        planned = _plan(context, namespace, batch)
        for vm in vms_of(batch):
            if isinstance(planned, Finding):
                yield Said("groups", planned, vm.host)
                continue
            problems = [text for item in planned if _touches(item, vm, backend) for text in _what_is_wrong(item)]
            yield Said(
                "groups",
                Finding(problems, f"{backend}: {', '.join(vm.services)} in {namespace}, ServiceAccount {vm.account}"),
                vm.host,
            )


def _plan(context: Context, namespace: str, batch: t.Sequence[Registration]) -> list[Operation] | Finding:
    wish = Wish("present", context.options["registration_backend"], False, context.options["service_accounts"])
    try:
        return Registrar(context.client, wish).plan(namespace, list(batch)).operations
    except (RegistrationError, KubeError) as exc:
        return own_fault(exc)


def _touches(item: Operation, vm: Vm, backend: str) -> bool:
    if item.kind == "ServiceAccount":
        return item.name == vm.account
    if item.kind == _SLICE and backend in SELECTING:
        # For plain clients, of whom another row speaks.
        return False
    return bool(set(item.services) & set(vm.services))


def _what_is_wrong(item: Operation) -> list[str]:
    if item.action == "create":
        return [f"{item.label} does not exist"]
    if item.action == "delete":
        return [f"{item.label} is not needed any more"]
    # The record says the same in other words.
    found = [text for text in differences(visible(item.actual or {}), visible(item.body)) if "annotations" not in text]
    return [f"{item.label}: {text[:LONG]}" for text in found] or [f"the next run would {item}"]


def entries(context: Context) -> list[Said]:
    """I11: each VM has an entry, and its sidecar says that it is well."""
    backend = context.options["registration_backend"]
    if backend not in SELECTING:
        text = f"with mesh_registration {backend} a VM has no WorkloadEntry"
        return [Said("entry", Finding([], unchecked=text), vm.host) for vm in vms_of(context.batch)]

    def judge() -> list[Said]:
        return [
            Said("entry", found, vm.host)
            for namespace, batch in by_namespace(context.batch).items()
            for vm, found in _entries(context, namespace, vms_of(batch))
        ]

    return context.settled(judge)


def _entries(context: Context, namespace: str, vms: t.Sequence[Vm]) -> list[tuple[Vm, Finding]]:
    try:
        listed = context.client.list(WORKLOAD_ENTRIES, namespace)
    except KubeError as exc:
        fault = own_fault(exc)
        return [(vm, fault) for vm in vms]
    backend = context.options["registration_backend"]
    return [(vm, entry_finding(vm, [item for item in listed if address_of(item) == vm.address], backend)) for vm in vms]


def entry_finding(vm: Vm, found: t.Sequence[Mapping], backend: str) -> Finding:
    if not found:
        next_step = {
            AUTO: "istiod writes it when the VM's sidecar connects: look there at the unit istio and /var/log/istio",
            ENTRIES: "ansible-playbook mesh.expansion.site --tags registration writes it",
        }[backend]
        return Finding([f"no WorkloadEntry has the address {vm.address}; {next_step}"])
    problems, good = [], []
    for item in found:
        name, annotations = item["metadata"]["name"], item["metadata"].get("annotations") or {}
        conditions = {one["type"]: one for one in (item.get("status") or {}).get("conditions") or []}
        healthy = conditions.get("Healthy") or {}
        if annotations.get(DISCONNECTED_ANNOTATION):
            problems.append(f"{name}: its sidecar has not been connected since {annotations[DISCONNECTED_ANNOTATION]}")
        elif annotations.get(HEALTH_ANNOTATION) != "true":
            good.append(f"{name}, without a probe")
        elif healthy.get("status") == "True":
            good.append(f"{name} is healthy")
        elif healthy:
            reason = " ".join(str(healthy.get("message") or "no reason was given").split())
            problems.append(f"{name} is not healthy, so it gets no requests: {reason[:LONG]}")
        else:
            problems.append(f"{name}: its sidecar has not said yet that it is healthy, so it gets no requests")
    return Finding(problems, ", ".join(good))


def plain(context: Context) -> t.Iterator[Said]:
    """I13: what kube-proxy needs is there, and a pod without a sidecar gets an answer, or is refused by a policy."""
    for namespace, batch in by_namespace(context.batch).items():
        wanted = [item for item in batch if item.plain_clients]
        planned = _plan(context, namespace, wanted) if wanted else []
        for item in batch:
            yield from _plain(context, item, planned)


def _plain(context: Context, item: Registration, planned: list[Operation] | Finding) -> list[Said]:
    hosts = ", ".join(vm.host or vm.address for vm in item.endpoints)
    if not item.plain_clients:
        return [Said("plain", Finding([], unchecked="mesh_plain_clients is not set"), hosts)]
    if isinstance(planned, Finding):
        return [Said("plain", planned, hosts)]
    steps = [step for step in planned if step.kind == _SLICE and item.name in step.services]
    problems = [text for step in steps for text in _what_is_wrong(step)]
    if problems:
        return [Said("plain", Finding(problems), hosts)]
    return context.settled(lambda: [Said("plain", _asked(context, item), hosts)])


def _asked(context: Context, item: Registration) -> Finding:
    wanted = context.options["plain_client"]
    targets = requests.http_targets([item])
    if not wanted or not targets:
        reason = "no port is for HTTP" if wanted else "no pod without a sidecar is named in mesh_verify_plain_client"
        return Finding([], unchecked=f"the EndpointSlice is there; {reason}")
    pod, missing = requests.client_pod(context.client, wanted, "verify_plain_client")
    if pod is None:
        return missing
    if pod.has_sidecar:
        return Finding([], unchecked=f"{pod} has a sidecar. Name one without in mesh_verify_plain_client")
    found = [_asked_port(context, item, port, pod) for _item, port in targets]
    problems = [text for one in found for text in one.problems]
    return Finding(problems, "; ".join(one.good for one in found))


def _asked_port(context: Context, item: Registration, port: Port, pod: requests.Pod) -> Finding:
    answer = requests.ask(requests.url_of(context, item, port), context.options["expect"], requests.runs(context, pod))
    try:
        mode, policy = _mode(context, item, port)
    except KubeError as exc:
        return answer if not answer.problems else Finding([*answer.problems, *own_fault(exc).problems])
    if mode != STRICT:
        return answer
    if answer.problems:
        return Finding([], f"refused by STRICT ({policy})")
    return Finding([f"{answer.good}, although {policy} is STRICT"])


def _mode(context: Context, item: Registration, port: Port) -> tuple[str, str]:
    root, client = context.options["istio_namespace"], context.client
    policies = [
        found
        for namespace in dict.fromkeys((item.namespace, root))
        for found in client.list(PEER_AUTHENTICATIONS, namespace)
    ]
    addresses = {vm.address for vm in item.endpoints}
    listed = client.list(WORKLOAD_ENTRIES, item.namespace)
    labels = [(one.get("spec") or {}).get("labels") or {} for one in listed if address_of(one) in addresses]
    modes = [mode_of(policies, root, item.namespace, one, port.number) for one in labels or [{}]]
    return next((mode for mode in modes if mode[0] == STRICT), modes[0])
