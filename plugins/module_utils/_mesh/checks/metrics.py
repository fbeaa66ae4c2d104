# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of verify has seen of a host, as metrics. Pure.

Runs on the control node. Private to the collection.
"""

from __future__ import annotations

import operator
import typing as t

from . import expiry
from .exposition import COUNTER, Metric, Sample
from .model import CLUSTER_HOST, DIRECTORS_HOST, FAILED, UNCHECKED

Mapping = t.Mapping[str, t.Any]
_PREFIX = "mesh_expansion_"
# Rows that are about no single host are told by the directors.
_SHARED = (CLUSTER_HOST, DIRECTORS_HOST)
_KEYS = ("tcp_service", "udp_service", "sctp_service", "fwmark_service")
_PER_SERVER = {
    "weight": ("weight", "Weight of a real server; 0 takes no new connections."),
    "active_connections": ("active_connections", "Connections in use."),
    "inactive_connections": ("inactive_connections", "Connections that are closing, or of UDP."),
}


def of_host(
    vm: Mapping, director: Mapping, ipvs: Mapping, rows: t.Sequence[Mapping], host: str, now: float
) -> list[Metric]:
    """The results of M(mesh.expansion.verify_vm), M(mesh.expansion.director_look) and M(mesh.expansion.ipvs_info),
    empty for what the host is not, and the rows of all hosts."""
    found = [*expiry.metrics(expiry.dated(vm)), *_sidecar(vm.get("proxy") or {})]
    found += [*_director(director), *_table(ipvs)]
    found += _rows(rows, (host, *_SHARED) if "operations" in director else (host,))
    if not any(metric.samples for metric in found):
        return []
    return [*found, _metric("verify_timestamp_seconds", "When verify has looked at this host.", [({}, now)])]


def _metric(name: str, text: str, samples: t.Sequence[Sample], kind: str = "gauge") -> Metric:
    return Metric(f"{_PREFIX}{name}", text, samples, kind)


def _sidecar(proxy: Mapping) -> list[Metric]:
    if not proxy:
        return []
    updates = [({"kind": kind, "result": result}, number) for kind, result, number in proxy["updates"]]
    endpoints = [({"healthy": "true"}, proxy["healthy"]), ({"healthy": "false"}, proxy["endpoints"] - proxy["healthy"])]
    answers = proxy["state"] != ""
    connected: list[Sample] = [] if proxy["connected"] is None else [({}, proxy["connected"])]
    return [
        _metric("sidecar_ready", "Whether Envoy has its configuration and works.", [({}, proxy["state"] == "LIVE")]),
        _metric("sidecar_connected", "Whether it is connected to what configures it.", connected),
        _metric(
            "sidecar_updates_total",
            "Configurations since its start, taken and rejected.",
            updates,
            COUNTER,
        ),
        _metric("sidecar_clusters", "Clusters that it knows.", [({}, proxy["clusters"])] if answers else []),
        _metric("sidecar_endpoints", "Endpoints of all clusters.", endpoints if answers else []),
    ]


def _director(seen: Mapping) -> list[Metric]:
    if "operations" not in seen:
        return []
    own = seen.get("keepalived") or {}
    return [
        _metric("director_holds_vip", "Whether this director holds the virtual address.", [({}, bool(seen["places"]))]),
        _metric(
            "director_sync",
            "What the kernel does with connections, master sends and backup receives.",
            [({"role": role}, role in own.get("synchronisation", ())) for role in ("master", "backup")] if own else [],
        ),
        _metric(
            "director_standby", "Whether it is kept from holding the address.", [({}, own["standby"])] if own else []
        ),
        _metric(
            "director_pending_operations",
            "What the next run of the role would change.",
            [({}, len(seen["operations"]))],
        ),
        _metric("director_drained_nodes", "Nodes that are out of service.", [({}, len(seen["drained"]))]),
        _metric("node_drained", "A node that was taken out.", [({"node": node}, 1) for node in seen["drained"]]),
        _metric(
            "director_failing_nodes",
            "Nodes that the checks have taken out.",
            [({}, len(own.get("failing") or ()))] if own else [],
        ),
    ]


def _table(seen: Mapping) -> list[Metric]:
    services = [(_service(service), service) for service in seen.get("services") or []]
    servers = [
        ({**labels, "server": server["real_server"]}, server)
        for labels, service in services
        for server in service["real_servers"]
    ]
    directions = [({**labels, "direction": way}, service, way) for labels, service in services for way in ("in", "out")]

    def of_servers(name: str, text: str, value: t.Callable[[Mapping], float], kind: str = "gauge") -> Metric:
        return _metric(f"ipvs_server_{name}", text, [(labels, value(server)) for labels, server in servers], kind)

    def of_directions(name: str) -> Metric:
        samples = [(labels, service["statistics"][f"{way}_{name}"]) for labels, service, way in directions]
        return _metric(f"ipvs_{name}_total", f"{name.capitalize()} of a virtual service.", samples, COUNTER)

    return [
        _metric(
            "ipvs_servers",
            "Real servers of a virtual service.",
            [(labels, len(service["real_servers"])) for labels, service in services],
        ),
        _metric(
            "ipvs_servers_in_use",
            "Those of them that take new connections.",
            [(labels, sum(one["weight"] > 0 for one in service["real_servers"])) for labels, service in services],
        ),
        _metric(
            "ipvs_connections_total",
            "Connections of a virtual service.",
            [(labels, service["statistics"]["connections"]) for labels, service in services],
            COUNTER,
        ),
        of_directions("packets"),
        of_directions("bytes"),
        *(of_servers(name, text, operator.itemgetter(key)) for key, (name, text) in _PER_SERVER.items()),
        of_servers(
            "connections_total", "Connections of a real server.", lambda one: one["statistics"]["connections"], COUNTER
        ),
    ]


def _service(service: Mapping) -> dict[str, str]:
    key = next(name for name in _KEYS if service.get(name))
    return {"protocol": key.partition("_")[0], "service": str(service[key])}


def _rows(rows: t.Sequence[Mapping], about: t.Collection[str]) -> list[Metric]:
    """What could not be checked is neither right nor wrong."""
    mine = [row for row in rows if row["host"] in about and row["state"] != UNCHECKED]
    samples = [({"row": row["row"], "host": row["host"], "what": row["what"]}, row["state"] != FAILED) for row in mine]
    return [_metric("check_ok", "Whether a row of verify holds.", samples)]
