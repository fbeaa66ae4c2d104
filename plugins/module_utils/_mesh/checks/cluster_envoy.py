# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client's Envoy knows of the VMs: their endpoints, mutual TLS, and whose certificate it accepts.

Private to the collection.
"""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

from ..._kube.errors import KubeError
from ..register.model import Registration, VmEndpoint
from ..register.services import SELECTING
from ..register.subsets import Port
from . import cluster_requests as requests
from .cluster_model import LONG, Context, Said
from .model import Finding

_NO_SIDECAR = (
    "{pod} has no sidecar. Name a pod of the mesh in mesh_verify_client (verify_client), from which requests are sent"
)
Json = t.Dict[str, t.Any]


class EnvoyError(Exception):
    """Envoy could not be asked; the text is fit for a user."""


class Endpoint(t.NamedTuple):
    """One endpoint of a cluster, as Envoy has it."""

    address: str
    port: int
    mutual_tls: bool
    health: str


def cluster_name(context: Context, item: Registration, port: Port) -> str:
    number, domain = context.asked_at(item, port), context.options["cluster_domain"]
    return f"outbound|{number}||{item.name}.{item.namespace}.svc.{domain}"


def endpoints(context: Context) -> list[Said]:
    """I12: each VM is an endpoint of its Services, reached with mutual TLS where the registration has it."""
    return context.settled(lambda: list(_endpoints(context)))


def _endpoints(context: Context) -> t.Iterator[Said]:
    pod, reason = _pod(context)
    for item in context.batch:
        known: dict[Port, list[Endpoint] | str] = {}
        for vm in item.endpoints:
            host = vm.host or vm.address
            if pod is None:
                yield Said("endpoint", reason, host)
                continue
            for port in vm.ports:
                if port not in known:
                    known[port] = _read_endpoints(context, pod, item, port)
            yield Said("endpoint", _judge(context, pod, item, vm, known), host)


def _read_endpoints(context: Context, pod: requests.Pod, item: Registration, port: Port) -> list[Endpoint] | str:
    """Or why Envoy could not be asked."""
    name = cluster_name(context, item, port)
    try:
        dump = _config(context, pod, "dynamic_endpoint_configs", name)
    except EnvoyError as exc:
        return str(exc)
    return endpoints_of(dump, name)


def _judge(
    context: Context,
    pod: requests.Pod,
    item: Registration,
    vm: VmEndpoint,
    known: t.Mapping[Port, list[Endpoint] | str],
) -> Finding:
    backend, problems = context.options["registration_backend"], []
    for port in vm.ports:
        found, where = known[port], f"{vm.address}:{port.number}"
        if isinstance(found, str):
            problems.append(found)
            continue
        own = [one for one in found if (one.address, one.port) == (vm.address, port.number)]
        if not own:
            there = ", ".join(f"{one.address}:{one.port}" for one in found) or "none"
            name = cluster_name(context, item, port)
            problems.append(f"the Envoy of {pod} has no endpoint {where} in {name}; there: {there[:LONG]}")
        elif backend in SELECTING and not own[0].mutual_tls:
            problems.append(
                f"the Envoy of {pod} would send to {where} without mutual TLS: the endpoint has no tlsMode. An "
                f"EndpointSlice of Service {item.label} that istiod reads does that"
            )
        elif own[0].health not in ("HEALTHY", "UNKNOWN"):
            problems.append(f"the Envoy of {pod} takes {where} for {own[0].health}")
    reached = f"{item.label} -> {vm.address} {', '.join(str(port) for port in vm.ports)}"
    if backend not in SELECTING and not problems:
        text = f"{reached} without mutual TLS, as mesh_registration {backend} has it, in the Envoy of {pod}"
        return Finding([], unchecked=text)
    return Finding(problems, f"{reached} with mutual TLS, in the Envoy of {pod}")


def peers(context: Context) -> list[Said]:
    """I14: a request from a pod of the mesh, which accepts no other peer than the VM's own identity."""
    targets = requests.http_targets(context.batch)
    return context.settled(lambda: [_peer(context, item, port) for item, port in targets])


def _peer(context: Context, item: Registration, port: Port) -> Said:
    hosts, options = requests.hosts_of(item, port), context.options
    pod, reason = _pod(context)
    if pod is None:
        return Said("peer", reason, hosts)
    answer = requests.ask(requests.url_of(context, item, port), options["expect"], requests.runs(context, pod))
    if answer.problems or options["registration_backend"] not in SELECTING:
        return Said("peer", answer, hosts)
    try:
        accepted = _accepted(context, pod, cluster_name(context, item, port))
    except EnvoyError as exc:
        return Said("peer", Finding([str(exc)]), hosts)
    accounts = sorted({vm.service_account for vm in item.endpoints if port in vm.ports})
    wanted = [f"spiffe://{options['trust_domain']}/ns/{item.namespace}/sa/{account}" for account in accounts]
    problems = [
        f"the Envoy of {pod} does not know that {name} may answer for Service {item.label}; it accepts "
        f"{', '.join(accepted) or 'anybody'}"
        for name in wanted
        if name not in accepted
    ]
    return Said("peer", Finding(problems, f"{answer.good}, from {', '.join(wanted)}"), hosts)


def _accepted(context: Context, pod: requests.Pod, name: str) -> list[str]:
    return accepted_names(_config(context, pod, "dynamic_active_clusters", name))


def _pod(context: Context) -> tuple[requests.Pod | None, Finding]:
    pod, reason = requests.client_pod(context.client, context.options["client"])
    if pod is not None and not pod.has_sidecar:
        return None, Finding([], unchecked=_NO_SIDECAR.format(pod=pod))
    return pod, reason


def _config(context: Context, pod: requests.Pod, resource: str, cluster: str) -> Json:
    """One part of Envoy's configuration, asked for by the agent beside it."""
    pattern = "^" + cluster.replace("|", "\\|").replace(".", "\\.") + "$"
    path = f"config_dump?resource={resource}&include_eds&name_regex={quote(pattern, safe='')}"
    attempt = f"ask the Envoy of {pod} for {cluster}"
    try:
        done = requests.runs(context, pod, requests.SIDECAR)(["pilot-agent", "request", "GET", path])
    except KubeError as exc:
        raise EnvoyError(f"cannot {attempt}: {exc}") from exc
    if done.rc:
        said = " ".join((done.stderr or done.stdout).split())[:LONG]
        raise EnvoyError(f"cannot {attempt}: pilot-agent ended with {done.rc}: {said or 'no reason was given'}")
    try:
        found = json.loads(done.stdout)
    except ValueError as exc:
        raise EnvoyError(f"cannot {attempt}: its answer is not JSON ({exc})") from exc
    return found if isinstance(found, dict) else {}


def endpoints_of(dump: t.Any, cluster: str) -> list[Endpoint]:
    """The endpoints of a cluster, however deep the dump holds them."""
    return [
        _endpoint(one)
        for node in _nodes(dump)
        if node.get("cluster_name") == cluster
        for locality in node.get("endpoints") or []
        for one in locality.get("lb_endpoints") or []
    ]


def _endpoint(found: Json) -> Endpoint:
    address = ((found.get("endpoint") or {}).get("address") or {}).get("socket_address") or {}
    metadata = (found.get("metadata") or {}).get("filter_metadata") or {}
    tls = (metadata.get("envoy.transport_socket_match") or {}).get("tlsMode")
    health = str(found.get("health_status") or "UNKNOWN")
    return Endpoint(str(address.get("address")), int(address.get("port_value") or 0), tls == "istio", health)


def accepted_names(dump: t.Any) -> list[str]:
    """The names of peers that a cluster accepts, in any form in which Envoy has had them."""
    found: list[str] = []
    for node in _nodes(dump):
        for matcher in node.get("match_subject_alt_names") or []:
            found.append(str(matcher.get("exact") or ""))
        for typed in node.get("match_typed_subject_alt_names") or []:
            found.append(str((typed.get("matcher") or {}).get("exact") or ""))
    return sorted({name for name in found if name})


def _nodes(value: t.Any) -> t.Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _nodes(item)
