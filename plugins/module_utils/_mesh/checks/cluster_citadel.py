# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the cluster that only Istio 1.0 to 1.4 has: Endpoints, and the mesh settings that it reads at start.

Private to the collection.
"""

from __future__ import annotations

import json
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError
from ..._kube.resources import CONFIGMAPS, DEPLOYMENTS, ENDPOINTS, SERVICES
from ..register.endpoints import plan_present
from ..register.model import Registration, RegistrationError, VmEndpoint
from ..settings.document import MeshConfigError
from ..settings.plan import plan as plan_settings
from .cluster_model import LONG, Context, Mapping, Said, own_fault
from .model import Finding, differences


def registration(context: Context) -> t.Iterator[Said]:
    """R15: whether the registration of each VM by itself would change anything."""
    for item in context.batch:
        for endpoint, found in _registration(context.client, item):
            yield Said("registration", found, endpoint.host or endpoint.address)


def _registration(client: KubeClient, registration: Registration) -> t.Iterator[tuple[VmEndpoint, Finding]]:
    try:
        service = client.get(SERVICES, registration.namespace, registration.name)
        endpoints = client.get(ENDPOINTS, registration.namespace, registration.name)
    except KubeError as exc:
        fault = own_fault(exc)
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
            problems.append(held if text.startswith("subsets ") else f"{name}: {text[:LONG]}")
    steps = [f"the next run would {step.action} {step.kind} {alone.label}" for step in plan.operations]
    return problems or steps


def settings(context: Context) -> t.Iterator[Said]:
    yield Said("settings", _settings(context.client, context.options))


def _settings(client: KubeClient, options: Mapping) -> Finding:
    """R18: what istio_mesh_config would change; and whether the control plane runs with it."""
    mesh, namespace, name = options["mesh"], options["istio_namespace"], options["deployment"]
    asked = {**mesh, "namespace": namespace, "deployment": name, "state": "present", "absent": [], "remember": True}
    try:
        configmap = client.get(CONFIGMAPS, namespace, mesh["name"])
        planned = plan_settings(asked, configmap, client.get(DEPLOYMENTS, namespace, name))
    except (MeshConfigError, KubeError) as exc:
        return own_fault(exc)
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
