# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the cluster: the API compared with the roles' plans, and requests from a pod.

Which ones are made is what the control plane's generation has rows for. Private to the collection.
"""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError, KubeUnreachable
from ..._kube.resources import SERVICES
from .. import generations
from ..exposure.model import ExposureError
from ..exposure.plan import Plan as ExposurePlan
from ..exposure.services import Identity, exposure_manifests, identity, label
from ..exposure.work import Exposer
from ..generations.model import CLUSTER, EXPOSURE
from ..register.model import parse_registrations
from . import cluster_citadel, cluster_envoy, cluster_istiod, cluster_requests
from .cluster_model import Context, Mapping, RunInPod, Said, own_fault
from .model import Finding, differences

_Check = t.Callable[[Context], t.Iterable[Said]]


def look(
    client: KubeClient,
    options: Mapping,
    run_in_pod: RunInPod,
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """All of it. What one check cannot read is its own row's fault, and hides no other."""
    generation = generations.generation(options["control_plane"])
    batch = parse_registrations(options["registrations"], backend=options["registration_backend"])
    deadline = clock() + options["timeout"]
    context = Context(client, generation, options, batch, run_in_pod, deadline, clock, sleep)
    wanted = dict.fromkeys(text.check for text in generation.rows if text.scope == CLUSTER)
    # Most of the time goes by waiting for pods.
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        names = pool.submit(_names, client, options)
        said = [item for found in pool.map(lambda name: list(_CHECKS[name](context)), wanted) for item in found]
        return {"checks": [item.as_dict() for item in said], "names": names.result()}


def _exposure(context: Context) -> t.Iterator[Said]:
    """What mesh_services would do, a row for each exposed Service."""
    client, options = context.client, context.options
    vip = options["vip"]
    wanted = {identity(manifest): manifest for manifest in exposure_manifests(options["services"], vip)}
    asked = {name: options[name] for name in ("vip", "services", "backend")}
    try:
        # A Service that does not carry our labels is not as it should be; it is no reason not to look at the others.
        plan = Exposer(client, {**asked, "state": "present", "adopt": True}).plan()
    except (ExposureError, KubeError) as exc:
        fault = own_fault(exc)
        yield from (Said(EXPOSURE, fault, service=where[1]) for where in wanted)
        return
    for where, manifest in wanted.items():
        ports = ", ".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in manifest["spec"]["ports"])
        good = f"{where[0]}/{where[1]}: {ports} on {vip}"
        yield Said(EXPOSURE, Finding(exposure_problems(plan, where), good), service=where[1])
    for where in dict.fromkeys(step.service for step in plan.operations if step.action == "delete"):
        text = f"{label(where)} is exposed on {vip}, and nothing wants it any more"
        yield Said(EXPOSURE, Finding([text]), service=where[1])
    there = {where[1] for where in (*wanted, *(step.service for step in plan.operations))}
    for row in context.generation.rows:
        if row.check == EXPOSURE and row.service not in there:
            yield Said(EXPOSURE, Finding([], unchecked="it is not to be exposed"), service=row.service)


def exposure_problems(plan: ExposurePlan, where: Identity) -> list[str]:
    steps = [step for step in plan.operations if step.service == where]
    name = label(where)
    if not steps:
        return []
    if name not in plan.before:
        return [f"{name} does not exist"]
    found = differences(plan.before[name], plan.after[name])
    return [f"{name}: {text}" for text in found] or [f"the next run would {step}" for step in steps]


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


_CHECKS: dict[str, _Check] = {
    EXPOSURE: _exposure,
    "registration": cluster_citadel.registration,
    "settings": cluster_citadel.settings,
    "request": cluster_requests.requests,
    "groups": cluster_istiod.groups,
    "entry": cluster_istiod.entries,
    "endpoint": cluster_envoy.endpoints,
    "plain": cluster_istiod.plain,
    "peer": cluster_envoy.peers,
}
