# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the cluster: the API compared with the roles' plans, and requests from a pod.

Private to the collection.
"""

from __future__ import annotations

import json
import re
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError, KubeUnreachable
from ..._kube.pods import Done
from ..._kube.resources import CONFIGMAPS, DEPLOYMENTS, ENDPOINTS, PODS, SERVICES
from ..exposure.model import ExposureError
from ..exposure.plan import Plan as ExposurePlan
from ..exposure.services import Identity, exposure_manifests, identity, label
from ..exposure.work import Exposer
from ..generations.model import EXPOSURE
from ..register.endpoints import plan_present
from ..register.model import Registration, RegistrationError, VmEndpoint, parse_registrations
from ..settings.document import MeshConfigError
from ..settings.plan import plan as plan_settings
from .model import Finding, differences

Mapping = t.Mapping[str, t.Any]
RunInPod = t.Callable[[str, str, str, t.Sequence[str]], Done]
"""Runs a program in a pod: namespace, pod, container, arguments."""

_LONG = 300
# Of curl; the exec around it takes a little more.
REQUEST_SECONDS = 10


class Said(t.NamedTuple):
    """What a check says of a host, or of a Service."""

    check: str
    finding: Finding
    host: str = "cluster"
    service: str = ""

    def as_dict(self) -> dict[str, t.Any]:
        return {"check": self.check, "host": self.host, "service": self.service, **self.finding.as_dict()}


def look(client: KubeClient, options: Mapping, run_in_pod: RunInPod) -> dict[str, t.Any]:
    """All of it. What one check cannot read is its own row's fault, and hides no other."""
    batch = parse_registrations(options["registrations"])
    said = [
        *_exposure(client, options),
        *(
            Said("registration", found, endpoint.host or endpoint.address)
            for registration in batch
            for endpoint, found in _registration(client, registration)
        ),
        Said("settings", _settings(client, options)),
        *_requests(client, options, batch, run_in_pod),
    ]
    return {"checks": [item.as_dict() for item in said], "names": _names(client, options)}


def _own_fault(exc: Exception) -> Finding:
    """A row's own fault; a server that does not answer is everybody's, and ends the look."""
    if isinstance(exc, KubeUnreachable):
        raise exc
    return Finding([str(exc)])


def _exposure(client: KubeClient, options: Mapping) -> t.Iterator[Said]:
    """R1 to R4: what mesh_services would do, a row for each exposed Service."""
    vip = options["vip"]
    wanted = {identity(manifest): manifest for manifest in exposure_manifests(options["services"], vip)}
    asked = {name: options[name] for name in ("vip", "services", "backend")}
    try:
        # A Service that does not carry our labels is not as it should be; it is no reason not to look at the others.
        plan = Exposer(client, {**asked, "state": "present", "adopt": True}).plan()
    except (ExposureError, KubeError) as exc:
        fault = _own_fault(exc)
        yield from (Said(EXPOSURE, fault, service=where[1]) for where in wanted)
        return
    for where, manifest in wanted.items():
        ports = ", ".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in manifest["spec"]["ports"])
        good = f"{where[0]}/{where[1]}: {ports} on {vip}"
        yield Said(EXPOSURE, Finding(exposure_problems(plan, where), good), service=where[1])
    for where in dict.fromkeys(step.service for step in plan.operations if step.service not in wanted):
        text = f"{label(where)} is exposed on {vip}, and nothing wants it any more"
        yield Said(EXPOSURE, Finding([text]), service=where[1])


def exposure_problems(plan: ExposurePlan, where: Identity) -> list[str]:
    steps = [step for step in plan.operations if step.service == where]
    name = label(where)
    if not steps:
        return []
    if name not in plan.before:
        return [f"{name} does not exist"]
    found = differences(plan.before[name], plan.after[name])
    return [f"{name}: {text}" for text in found] or [f"the next run would {step}" for step in steps]


def _registration(client: KubeClient, registration: Registration) -> t.Iterator[tuple[VmEndpoint, Finding]]:
    """R15: whether the registration of each VM by itself would change anything."""
    try:
        service = client.get(SERVICES, registration.namespace, registration.name)
        endpoints = client.get(ENDPOINTS, registration.namespace, registration.name)
    except KubeError as exc:
        fault = _own_fault(exc)
        yield from ((endpoint, fault) for endpoint in registration.endpoints)
        return
    for endpoint in registration.endpoints:
        ports = ", ".join(str(port) for port in endpoint.ports)
        good = f"{registration.label} -> {endpoint.address} {ports}"
        alone = registration._replace(endpoints=(endpoint,))
        yield endpoint, Finding(registration_problems(alone, service, endpoints), good)


def registration_problems(alone: Registration, service: t.Any, endpoints: t.Any) -> list[str]:
    endpoint = alone.endpoints[0]
    try:
        plan = plan_present(alone, service, endpoints)
    except RegistrationError as exc:
        return [str(exc)]
    problems = []
    for name, after in plan.after.items():
        if name not in plan.before:
            problems.append(f"{name} does not exist")
            continue
        for text in differences(plan.before[name], after):
            held = f"{name} does not hold {endpoint.address}:{','.join(str(port.number) for port in endpoint.ports)}"
            problems.append(held if text.startswith("subsets ") else f"{name}: {text[:_LONG]}")
    steps = [f"the next run would {step.action} {step.kind} {alone.label}" for step in plan.operations]
    return problems or steps


def _settings(client: KubeClient, options: Mapping) -> Finding:
    """R18: what istio_mesh_config would change; and whether the control plane runs with it."""
    mesh, namespace, name = options["mesh"], options["istio_namespace"], options["deployment"]
    asked = {**mesh, "namespace": namespace, "deployment": name, "state": "present", "absent": [], "remember": True}
    try:
        configmap = client.get(CONFIGMAPS, namespace, mesh["name"])
        planned = plan_settings(asked, configmap, client.get(DEPLOYMENTS, namespace, name))
    except (MeshConfigError, KubeError) as exc:
        return _own_fault(exc)
    wanted = mesh["settings"]
    problems = [
        f"mesh setting {key} is {json.dumps(value)}, should be {json.dumps(wanted.get(key))}"
        for key, value in planned.config.result["previous"].items()
    ]
    restart = planned.restart
    if restart and restart.unfinished:
        problems.append(f"{restart.label} has not finished rolling out: {restart.unfinished}")
    if restart and restart.needed and not problems:
        problems.append(f"{restart.label} was not restarted since the mesh settings changed")
    return Finding(problems, ", ".join(f"{key}: {json.dumps(value)}" for key, value in wanted.items()))


def _requests(
    client: KubeClient, options: Mapping, batch: t.Sequence[Registration], run_in_pod: RunInPod
) -> t.Iterator[Said]:
    """R19: a request to each HTTP port of each VM service, from a pod."""
    targets = [
        (registration, port)
        for registration in batch
        for port in dict.fromkeys(port for endpoint in registration.endpoints for port in endpoint.ports)
        if port.name.split("-", 1)[0] in ("http", "http2")
    ]
    if not targets:
        return
    pod, missing = _client_pod(client, options["client"])
    for registration, port in targets:
        url = f"http://{registration.name}.{registration.namespace}:{port.number}"
        hosts = ", ".join(item.host or item.address for item in registration.endpoints if port in item.ports)
        found = missing or ask(url, options["expect"], lambda argv: run_in_pod(*pod, argv))
        yield Said("request", found, hosts)


def _client_pod(client: KubeClient, wanted: Mapping) -> tuple[tuple[str, str, str], Finding | None]:
    """Namespace, name and container of a running pod; or what to say without one."""
    namespace, selector, container = wanted["namespace"], wanted["selector"], str(wanted.get("container") or "")
    try:
        pods = client.list(PODS, namespace, selector)
    except KubeError as exc:
        return ("", "", ""), _own_fault(exc)
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    if running:
        return (namespace, running[0]["metadata"]["name"], container), None
    reason = (
        f"no pod with the label {selector} runs in namespace {namespace}, from which a request could be sent. Name one "
        "that has curl in mesh_verify_client (verify_client), or start one: "
        f"kubectl -n {namespace} run mesh-client --labels {selector} --image curlimages/curl -- sleep infinity"
    )
    return ("", "", ""), Finding([], unchecked=reason)


def ask(url: str, expect: str, run: t.Callable[[t.Sequence[str]], Done]) -> Finding:
    """What a request from the pod answers."""
    # With something to look for, the page says more than its status.
    argv = ["curl", "-sS", "--max-time", str(REQUEST_SECONDS), *([] if expect else ["-f"]), url]
    try:
        done = run(argv)
    except KubeError as exc:
        return Finding([f"{url} could not be asked: {exc}"])
    if done.rc != 0:
        said = " ".join((done.stderr or done.stdout).split())[:_LONG]
        return Finding([f"{url} gives no answer, curl ended with {done.rc}: {said or 'no reason was given'}"])
    page = done.stdout
    if expect not in page:
        return Finding([f"{url} answers without {expect!r}: {' '.join(page.split())[:200] or 'an empty page'}"])
    title = re.search(r"<title>(.*?)</title>", page, re.S)
    return Finding([], f"{url} answers {(title.group(1) if title else page[:60]).strip()}")


def _names(client: KubeClient, options: Mapping) -> dict[str, str]:
    """R10: which name must answer which address on a VM.

    Short names and names with the namespace answer the virtual address; the full names of the Services that exist
    answer, through the director and the cluster's DNS, their cluster IP.
    """
    names = {}
    for service in options["services"]:
        namespace = service["namespace"]
        for name in service.get("dns_names") or ():
            names[name] = names[f"{name}.{namespace}"] = options["vip"]
            try:
                found = client.get(SERVICES, namespace, name)
            except KubeUnreachable:
                raise
            except KubeError:
                # Without the right to read it, its address is not known; the other names are judged.
                continue
            address = ((found or {}).get("spec") or {}).get("clusterIP")
            if address not in (None, "", "None"):
                names[f"{name}.{namespace}.svc.{options['cluster_domain']}"] = address
    return names
