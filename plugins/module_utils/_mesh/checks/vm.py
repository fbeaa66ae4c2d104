# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a VM. Where a role applies something, the check asks the role's plan to be empty.

Pure: no I/O. Private to the collection.
"""

from __future__ import annotations

import re
import typing as t

from ..._host.systemd import UnitState
from ..dns import files as dns_files
from ..dns import plan as dns_plan
from ..errors import MeshError
from ..sidecar import layout
from ..sidecar import plan as sidecar_plan
from ..sidecar.envoy import may_answer
from . import plans
from .look import Seen, Wanted
from .model import Finding

PROCESSES = {
    "su (node_agent)": r"^su .*node_agent",
    "node_agent": r"^(?!su )\S*(python\S* (-\S+ )*)?\S*node_agent\b",
    "pilot-agent": r"^(?!su )\S*(python\S* (-\S+ )*)?\S*pilot-agent\b.* proxy\b",
    "envoy": r"^\S*/?envoy .*-c ",
}


def judge(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """By the name of the check, all but the identity and the lookups: these need the cluster's word."""
    return {**_resolver(wanted, seen), **_sidecar(wanted, seen), **_envoy(wanted, seen)}


def _resolver(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """R7 and R9: what the role dnsmasq would do."""
    vm, settings = seen.resolver, wanted.resolver
    try:
        operations = dns_plan.join(vm, settings)
    except MeshError as exc:
        said = Finding([str(exc)])
        return {"names_file": said, "resolver": said}
    wrong = plans.wrong(operations, vm.paths)
    named = wrong.pop(dns_files.KUBEDNS, [])
    problems = [f"package {name} is not installed" for name in dns_plan.missing_packages(vm, settings)]
    problems += [text for texts in wrong.values() for text in texts]
    problems += plans.unit_problems(dns_files.UNIT, vm.units.get(dns_files.UNIT, UnitState()))
    if vm.newer:
        problems.append(f"{dns_files.UNIT} is older than its configuration and has to be restarted")
    problems = plans.complete(operations, problems, named)
    lines = [line for line in dns_files.kubedns_text(settings).splitlines() if line]
    return {
        "names_file": Finding(named, f"{len(lines)} lines"),
        "resolver": Finding(
            problems, f"{settings.listen_address} is the first name server; {vm.address} is {vm.hostname}"
        ),
    }


def _sidecar(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """R8 and R11 to R14: what the role istio_sidecar would do, and what shows that it works."""
    vm, settings = seen.sidecar, wanted.sidecar
    operations = sidecar_plan.plan(vm, settings)
    cluster = plans.wrong(operations, vm.paths).get(layout.CLUSTER_ENV, [])
    inbound = plans.wrong(operations, vm.paths, tuple(settings.extra_env)).get(layout.SIDECAR_ENV, [])
    package = [] if vm.version else [f"package {layout.PACKAGE} is not installed"]
    package += [f"{path} belongs to {state.owner}, should be {layout.USER}" for path, state in vm.foreign.items()]
    units = {name: plans.unit_problems(name, vm.unit(name)) for name in settings.layout.units}
    package += [text for found in units.values() for text in found]
    proxy = [
        *units[layout.SIDECAR_UNIT],
        *(f"{path} is newer than the sidecar's start: it has to be restarted" for path in vm.newer),
        *capture_problems(settings.service_cidr, seen.nat, seen.uid, seen.gid),
        *process_problems(seen.processes),
    ]
    ports = str(settings.sidecar_env(vm.address or settings.vip).get("ISTIO_INBOUND_PORTS", ""))
    inbound += [
        f"port {port} is not captured"
        for port in filter(None, ports.split(","))
        if not re.search(rf"-A ISTIO_INBOUND .*--dport {port} .*-j ISTIO_\w*REDIRECT", seen.nat)
    ]
    approvals = re.findall(r"CSR is approved successfully\. Will renew cert in \S+", seen.agent_log)
    agent = list(units[layout.AGENT_UNIT])
    if not approvals:
        agent.append("the journal of istio-auth-node-agent holds no approved certificate request")
    proxy = plans.complete(operations, proxy, [*cluster, *inbound, *package])
    known = ", ".join(f"{key}={value}" for key, value in settings.cluster_env().items())
    return {
        "cluster_env": Finding(cluster, known),
        "package": Finding(package, f"{layout.PACKAGE} {vm.version}"),
        "agent": Finding(agent, approvals[-1] if approvals else ""),
        "proxy": Finding(proxy, "nat chains complete; node_agent, pilot-agent and envoy run"),
        "inbound": Finding(inbound, f"ISTIO_INBOUND_PORTS={ports}"),
    }


def _envoy(wanted: Wanted, seen: Seen) -> dict[str, Finding]:
    """R16 and R17: what Pilot told Envoy."""
    checks = seen.envoy.get("policy_checks")
    services = [{"namespace": wanted.sidecar.namespace, **service} for service in wanted.sidecar.services]
    names = ", ".join(f"{service['name']}:{service['port']}" for service in services)
    pushed = pushed_problems(services, seen.sidecar.address, wanted.cluster_domain, seen.envoy)
    policy = ["the filters could not be read, see R16"] if checks is None else policy_problems(checks, wanted.host)
    return {
        "pushed": Finding(pushed, f"inbound and outbound of {names or 'no service'}"),
        "policy": Finding(policy, f"{len(checks or [])} policy filters, none fails closed on a service out of reach"),
    }


def process_problems(processes: str) -> list[str]:
    lines = [line.strip() for line in processes.splitlines()]
    return [
        f"no process {name}"
        for name, pattern in PROCESSES.items()
        if not any(re.search(pattern, line) for line in lines)
    ]


def capture_problems(service_cidr: str, nat: str, uid: str, gid: str) -> list[str]:
    """What the nat table lacks to capture outbound traffic without capturing the proxy's own (R13)."""
    rules = {
        f"RETURN for the proxy's user {uid}": rf"-A ISTIO_OUTPUT .*--uid-owner {re.escape(uid)} -j RETURN",
        f"RETURN for the proxy's group {gid}": rf"-A ISTIO_OUTPUT .*--gid-owner {re.escape(gid)} -j RETURN",
        "RETURN for root's user": r"-A ISTIO_OUTPUT .*--uid-owner 0 -j RETURN",
        "RETURN for root's group": r"-A ISTIO_OUTPUT .*--gid-owner 0 -j RETURN",
        "RETURN for 127.0.0.1/32": r"-A ISTIO_OUTPUT -d 127\.0\.0\.1/32 .*-j RETURN",
        f"ISTIO_REDIRECT for {service_cidr}": rf"-A ISTIO_OUTPUT -d {re.escape(service_cidr)} .*-j ISTIO_REDIRECT",
        "REDIRECT to 15001": r"-A ISTIO_REDIRECT .*-j REDIRECT --to-ports 15001",
    }
    return [f"nat table lacks {what}" for what, pattern in rules.items() if not re.search(pattern, nat)]


def pushed_problems(
    services: t.Sequence[t.Mapping[str, t.Any]], address: str, cluster_domain: str, envoy: t.Mapping[str, t.Any]
) -> list[str]:
    """What Pilot has not pushed to this VM's Envoy for its services (R16)."""
    if "clusters" not in envoy:
        return [envoy.get("msg") or "Envoy's configuration could not be read"]
    clusters = {item["name"] for item in envoy["clusters"]}
    listeners = {item["name"] for item in envoy.get("listeners", [])}
    problems = []
    for service in services:
        fqdn = f"{service['name']}.{service['namespace']}.svc.{cluster_domain}"
        for name in (f"outbound|{service['port']}||{fqdn}", f"inbound|{service['port']}||{fqdn}"):
            if name not in clusters:
                problems.append(f"Envoy has no cluster {name}")
        listener = f"{address}_{service['port']}"
        if listener not in listeners:
            problems.append(f"Envoy has no listener {listener}")
    return problems


def policy_problems(checks: t.Sequence[t.Mapping[str, t.Any]], host: str) -> list[str]:
    """Say in words why requests to this VM fail, if a policy filter fails closed on a service
    that it cannot reach (R17)."""
    problems = []
    for item in checks:
        endpoints = item.get("endpoints") or []
        if item["fail_mode"] != "closed" or any(may_answer(endpoint) for endpoint in endpoints):
            continue
        where = (
            ", ".join(f"{endpoint['address']}:{endpoint['port']}" for endpoint in endpoints) or "it has no endpoints"
        )
        problems.append(
            f"{item['cluster']} ({where}) is unreachable from {host}, and the filter {item['filter']} on listener "
            f"{item['listener']} fails closed, so every request to it is answered UNAVAILABLE. Fix: the role "
            "mesh_policy with mesh_policy_settings: {disablePolicyChecks: true} (or policyCheckFailOpen: true)"
        )
    return problems
