"""Part of the Pilot stand-in: the mesh as plain data, built from Kubernetes objects and the mesh configuration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

DEFAULT_POLICY_SERVER = "istio-policy.istio-system.svc.cluster.local:9091"
HTTP_KINDS = ("http", "http2", "grpc")
KNOWN_KINDS = (*HTTP_KINDS, "tcp", "https", "tls", "mongo", "redis")


class NodeError(ValueError):
    """A node id that is not of the form type~address~id~domain."""


@dataclass(frozen=True, order=True)
class Endpoint:
    address: str
    port: int


@dataclass(frozen=True)
class Port:
    number: int
    name: str
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def kind(self) -> str:
        """Protocol, from the name's part before the first dash; TCP when that says nothing."""
        prefix = self.name.split("-")[0].lower()
        return prefix if prefix in KNOWN_KINDS else "tcp"

    @property
    def is_http(self) -> bool:
        return self.kind in HTTP_KINDS

    @property
    def is_http2(self) -> bool:
        return self.kind in ("http2", "grpc")


@dataclass(frozen=True)
class Service:
    name: str
    namespace: str
    host: str
    cluster_ip: str | None
    ports: tuple[Port, ...]

    def cluster(self, direction: str, port: Port) -> str:
        return cluster_name(direction, port.number, self.host)


@dataclass(frozen=True)
class Mesh:
    """The settings of ConfigMap istio, key mesh, that the data path depends on."""

    policy_checks: bool = True
    policy_fail_open: bool = False
    tracing: bool = False
    access_log: str = "/dev/stdout"
    policy_server: str = DEFAULT_POLICY_SERVER

    @property
    def policy_cluster(self) -> str:
        host, port = self.policy_server.rsplit(":", 1)
        return cluster_name("outbound", int(port), host)


@dataclass(frozen=True)
class Node:
    kind: str
    address: str
    ident: str
    domain: str

    @property
    def namespace(self) -> str:
        return self.domain.split(".")[0]


def cluster_name(direction: str, port: int, host: str) -> str:
    return f"{direction}|{port}||{host}"


def parse_node(text: str) -> Node:
    parts = text.split("~")
    if len(parts) != 4 or not all(parts):
        raise NodeError(f"node id {text!r} is not of the form type~address~id~domain")
    return Node(*parts)


def parse_mesh(document: str) -> Mesh:
    """Upstream's defaults for missing keys: checks on, failing closed, tracing on."""
    values = yaml.safe_load(document) or {}
    if not isinstance(values, dict):
        raise ValueError("the mesh configuration is not a YAML mapping")
    return Mesh(
        policy_checks=not values.get("disablePolicyChecks", False),
        policy_fail_open=bool(values.get("policyCheckFailOpen", False)),
        tracing=bool(values.get("enableTracing", True)),
        access_log=values.get("accessLogFile", "/dev/stdout") or "",
        policy_server=values.get("mixerCheckServer") or DEFAULT_POLICY_SERVER,
    )


def build_services(services: Iterable[Any], endpoints: Iterable[Any], domain: str) -> tuple[Service, ...]:
    """Join Services and Endpoints; UDP ports and ExternalName Services are no part of the mesh."""
    backends = {(item.metadata.namespace, item.metadata.name): item.subsets or [] for item in endpoints}
    result = []
    for service in services:
        if service.spec.type == "ExternalName":
            continue
        meta, spec = service.metadata, service.spec
        subsets = backends.get((meta.namespace, meta.name), [])
        ports = tuple(
            Port(port.port, port.name or "", _endpoints(subsets, port.name or ""))
            for port in spec.ports or []
            if (port.protocol or "TCP") == "TCP"
        )
        host = f"{meta.name}.{meta.namespace}.svc.{domain}"
        cluster_ip = spec.cluster_ip if spec.cluster_ip not in (None, "", "None") else None
        result.append(Service(meta.name, meta.namespace, host, cluster_ip, ports))
    return tuple(sorted(result, key=lambda item: (item.namespace, item.name)))


def _endpoints(subsets: Iterable[Any], port_name: str) -> tuple[Endpoint, ...]:
    """Ready addresses behind the port of this name."""
    return tuple(
        sorted(
            {
                Endpoint(address.ip, port.port)
                for subset in subsets
                for port in subset.ports or []
                if (port.name or "") == port_name
                for address in subset.addresses or []
            }
        )
    )
