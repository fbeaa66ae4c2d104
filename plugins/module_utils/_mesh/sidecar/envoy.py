# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""What the answers of Envoy's admin endpoint say. Pure;
understands the v2 dumps of Istio 1.0's Envoy and the v3 ones of today's."""

from __future__ import annotations

import dataclasses
import json
import typing as t

Json = t.Mapping[str, t.Any]

HTTP_MANAGERS = ("envoy.http_connection_manager", "envoy.filters.network.http_connection_manager")
MIXER = "mixer"
EXT_AUTHZ = ("envoy.filters.http.ext_authz", "envoy.filters.network.ext_authz", "envoy.ext_authz")


class EnvoyError(ValueError):
    """An answer that does not look like Envoy's."""


@dataclasses.dataclass(frozen=True)
class PolicyCheck:
    """A filter that asks a policy service before it lets a request through."""

    filter: str
    cluster: str
    fail_mode: str  # closed, open, disabled
    listener: str


def parse_json(text: str, what: str) -> t.Any:
    try:
        return json.loads(text)
    except ValueError:
        raise EnvoyError(
            f"{what} is not JSON, it begins with {text[:60]!r}: is another program listening there?"
        ) from None


def _sections(dump: Json, kind: str) -> list[Json]:
    """The parts of a config dump of one kind; early versions had a dictionary by name, later ones a list with types."""
    configs = dump.get("configs")
    if isinstance(configs, t.Mapping):
        return [value for name, value in configs.items() if name == kind]
    if not isinstance(configs, list):
        raise EnvoyError("config_dump has no configs: is another program listening there?")
    return [item for item in configs if str(item.get("@type", "")).rsplit(".", 1)[-1].lower() == f"{kind}configdump"]


def clusters(dump: Json) -> list[dict[str, t.Any]]:
    """All clusters with where they come from and whether they are still warming."""
    found = []
    for section in _sections(dump, "clusters"):
        for source, warming in (
            ("static_clusters", False),
            ("dynamic_active_clusters", False),
            ("dynamic_warming_clusters", True),
        ):
            for item in section.get(source) or []:
                found.append(
                    {"name": item["cluster"]["name"], "static": source.startswith("static"), "warming": warming}
                )
    return sorted(found, key=lambda item: (item["name"], item["warming"]))


def _listener_states(section: Json) -> t.Iterator[tuple[Json, bool, bool, str]]:
    """Each listener of a section with static, warming and the error of its last update."""
    for item in section.get("static_listeners") or []:
        yield item.get("listener", item), True, False, ""
    for item in section.get("dynamic_active_listeners") or []:
        yield item["listener"], False, False, ""
    for item in section.get("dynamic_warming_listeners") or []:
        yield item["listener"], False, True, ""
    for item in section.get("dynamic_listeners") or []:
        error = str((item.get("error_state") or {}).get("details", ""))
        # An update that warms beside an active version does not stop traffic: the active one is reported.
        state = item.get("active_state") or item.get("warming_state") or {}
        listener = state.get("listener") or {"name": item.get("name", "")}
        yield {"name": item.get("name", ""), **listener}, False, "active_state" not in item, error


def _address(listener: Json) -> str:
    socket = (listener.get("address") or {}).get("socket_address") or {}
    return (
        f"{socket['address']}:{socket.get('port_value', socket.get('named_port', ''))}" if "address" in socket else ""
    )


def _raw_listeners(dump: Json) -> t.Iterator[tuple[Json, bool, bool, str]]:
    for section in _sections(dump, "listeners"):
        yield from _listener_states(section)


def listeners(dump: Json) -> list[dict[str, t.Any]]:
    """All listeners with address, origin, warming, and the error of a rejected update."""
    found = [
        {
            "name": listener.get("name") or _address(listener),
            "address": _address(listener),
            "static": static,
            "warming": warming,
            "error": error,
        }
        for listener, static, warming, error in _raw_listeners(dump)
    ]
    return sorted(found, key=lambda item: item["name"])


def _config(item: Json) -> Json:
    """The configuration of a filter: C(typed_config) in v3, C(config) in v2."""
    return item.get("typed_config") or item.get("config") or {}


def _mixer_check(config: Json) -> tuple[str, str]:
    transport = config.get("transport") or {}
    services = (config.get("service_configs") or {}).values()
    if config.get("disable_check_calls") or (services and all(item.get("disable_check_calls") for item in services)):
        mode = "disabled"
    else:
        # An empty policy is the default of the protocol, and that is fail open.
        policy = (transport.get("network_fail_policy") or {}).get("policy", "FAIL_OPEN")
        mode = "closed" if policy in ("FAIL_CLOSE", 1) else "open"
    return str(transport.get("check_cluster", "")), mode


def _ext_authz_check(config: Json) -> tuple[str, str]:
    grpc, http = config.get("grpc_service") or {}, config.get("http_service") or {}
    cluster = (grpc.get("envoy_grpc") or {}).get("cluster_name") or (grpc.get("google_grpc") or {}).get("target_uri")
    cluster = cluster or (http.get("server_uri") or {}).get("cluster") or ""
    default = ((config.get("filter_enabled") or {}).get("default_value") or {}).get("numerator", 1)
    if "filter_enabled" in config and not default:
        return cluster, "disabled"
    return cluster, "open" if config.get("failure_mode_allow") else "closed"


def _filters(listener: Json) -> t.Iterator[Json]:
    """Network filters of all chains, and the HTTP filters inside connection managers."""
    chains = [*(listener.get("filter_chains") or []), listener.get("default_filter_chain") or {}]
    for chain in chains:
        for item in chain.get("filters") or []:
            yield item
            if item.get("name") in HTTP_MANAGERS or "http_filters" in _config(item):
                yield from _config(item).get("http_filters") or []


def policy_checks(dump: Json) -> list[PolicyCheck]:
    """The policy filters of all listeners, each once per listener and cluster."""
    found: dict[PolicyCheck, None] = {}
    for listener, *_dummy in _raw_listeners(dump):
        name = listener.get("name") or _address(listener)
        for item in _filters(listener):
            kind = str(item.get("name", ""))
            type_url = str(_config(item).get("@type", ""))
            if kind == MIXER:
                cluster, mode = _mixer_check(_config(item))
            elif kind in EXT_AUTHZ or type_url.endswith(".ExtAuthz"):
                cluster, mode = _ext_authz_check(_config(item))
            else:
                continue
            found[PolicyCheck(kind, cluster, mode, name)] = None
    return list(found)


def endpoints(status: Json) -> dict[str, list[dict[str, t.Any]]]:
    """The endpoints of each cluster, from C(clusters?format=json)."""
    result = {}
    for cluster in status.get("cluster_statuses") or []:
        hosts = []
        for host in cluster.get("host_statuses") or []:
            socket = (host.get("address") or {}).get("socket_address") or {}
            stats = {item["name"]: int(item.get("value", 0)) for item in host.get("stats") or [] if "name" in item}
            hosts.append(
                {
                    "address": socket.get("address", ""),
                    "port": int(socket.get("port_value", 0)),
                    "healthy": _healthy(host.get("health_status") or {}),
                    "connections": stats.get("cx_total", 0),
                    "failed_connections": stats.get("cx_connect_fail", 0),
                }
            )
        result[cluster["name"]] = hosts
    return result


def _healthy(health: Json) -> bool:
    failed = any(value is True for name, value in health.items() if name.startswith("failed_"))
    return not failed and health.get("eds_health_status", "HEALTHY") in ("HEALTHY", "UNKNOWN", "DEGRADED")


def server(text: str) -> dict[str, t.Any]:
    """State and version, from C(server_info): JSON today, one line of words in Istio 1.0's Envoy."""
    if text.lstrip().startswith("{"):
        info = parse_json(text, "server_info")
        return {"state": str(info.get("state", "")), "version": str(info.get("version", ""))}
    words = text.split()
    if len(words) < 3 or words[0] != "envoy":
        raise EnvoyError(f"server_info begins with {text[:60]!r}: is another program listening there?")
    return {"state": words[2].upper(), "version": words[1]}


def may_answer(host: Json) -> bool:
    """Whether Envoy would send requests to this endpoint and get an answer: it is healthy, and its port was reached.

    The one judgement of an endpoint. Where nobody has tried the port, Envoy's own connections count.
    """
    if host.get("reachable") is not None:
        return bool(host["reachable"]) and host["healthy"]
    never = 0 < host["connections"] == host["failed_connections"]
    return host["healthy"] and not never


def explain(check: PolicyCheck, hosts: t.Sequence[Json] | None) -> str:
    """One sentence about what a policy filter means for the requests to its listener."""
    where = f"the policy filter {check.filter} on listener {check.listener}"
    if check.fail_mode == "disabled":
        return f"{where[0].upper()}{where[1:]} is switched off: requests do not depend on it."
    if hosts is None:
        state = f"Envoy has no cluster {check.cluster}"
    elif not hosts:
        state = f"{check.cluster} has no endpoint"
    else:
        named = ", ".join(f"{host['address']}:{host['port']}" for host in hosts)
        if any(may_answer(host) for host in hosts):
            state = f"{check.cluster} ({named}) may answer"
        else:
            state = f"{check.cluster} ({named}) cannot be reached from this host"
    if check.fail_mode == "open":
        return f"{state}; {where} fails open, so requests pass without an answer."
    if state.endswith("may answer"):
        return f"{state}; {where} fails closed, so requests need its consent."
    return (
        f"{state}, and {where} fails closed, so every request to it is answered UNAVAILABLE. "
        "Fix: set disablePolicyChecks or policyCheckFailOpen to true in the mesh settings (role mesh_policy)."
    )
