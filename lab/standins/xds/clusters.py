"""Part of the Pilot stand-in: clusters and their endpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.core.v3 import address_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import any_pb2

from lab.standins.xds.model import Endpoint, Mesh, Node, Port, Service

PASSTHROUGH = "PassthroughCluster"
BLACK_HOLE = "BlackHoleCluster"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
CONNECT_SECONDS = 1
API_V3 = 2

Cluster = cluster_pb2.Cluster


def packed(message: Any) -> Any:
    """The message as Any, with bytes that depend on its content only."""
    result = any_pb2.Any()
    result.Pack(message, deterministic=True)
    return result


def socket_address(address: str, port: int) -> Any:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))


def load_assignment(name: str, endpoints: Iterable[Endpoint]) -> Any:
    group = endpoint_components_pb2.LocalityLbEndpoints()
    for item in endpoints:
        group.lb_endpoints.add().endpoint.address.CopyFrom(socket_address(item.address, item.port))
    result = endpoint_pb2.ClusterLoadAssignment(cluster_name=name)
    if group.lb_endpoints:
        result.endpoints.append(group)
    return result


def outbound_endpoints(services: Iterable[Service]) -> dict[str, Any]:
    return {
        service.cluster("outbound", port): load_assignment(service.cluster("outbound", port), port.endpoints)
        for service in services
        for port in service.ports
    }


def _cluster(name: str, kind: Any, *, http2: bool = False) -> Any:
    cluster = Cluster(name=name, type=kind)
    cluster.connect_timeout.seconds = CONNECT_SECONDS
    if http2:
        options = http_protocol_options_pb2.HttpProtocolOptions()
        options.explicit_http_config.http2_protocol_options.SetInParent()
        cluster.typed_extension_protocol_options[HTTP_OPTIONS].CopyFrom(packed(options))
    return cluster


def outbound_cluster(name: str, *, http2: bool) -> Any:
    cluster = _cluster(name, Cluster.EDS, http2=http2)
    cluster.eds_cluster_config.eds_config.ads.SetInParent()
    cluster.eds_cluster_config.eds_config.resource_api_version = API_V3
    return cluster


def inbound_cluster(service: Service, port: Port, local_port: int) -> Any:
    name = service.cluster("inbound", port)
    cluster = _cluster(name, Cluster.STATIC, http2=port.is_http2)
    cluster.load_assignment.CopyFrom(load_assignment(name, [Endpoint("127.0.0.1", local_port)]))
    return cluster


def local_ports(services: Iterable[Service], node: Node) -> list[tuple[Service, Port, int]]:
    """What the node itself serves: its address is among the endpoints."""
    return [
        (service, port, endpoint.port)
        for service in services
        for port in service.ports
        for endpoint in port.endpoints
        if endpoint.address == node.address
    ]


def build_clusters(services: Iterable[Service], node: Node, mesh: Mesh) -> dict[str, Any]:
    services = tuple(services)
    passthrough = _cluster(PASSTHROUGH, Cluster.ORIGINAL_DST)
    passthrough.lb_policy = Cluster.CLUSTER_PROVIDED
    result = {PASSTHROUGH: passthrough, BLACK_HOLE: _cluster(BLACK_HOLE, Cluster.STATIC)}
    for service in services:
        for port in service.ports:
            name = service.cluster("outbound", port)
            result[name] = outbound_cluster(name, http2=port.is_http2 or name == mesh.policy_cluster)
    if mesh.policy_checks and mesh.policy_cluster not in result:
        # A filter that names an unknown cluster makes Envoy refuse the listener.
        result[mesh.policy_cluster] = outbound_cluster(mesh.policy_cluster, http2=True)
    for service, port, local_port in local_ports(services, node):
        cluster = inbound_cluster(service, port, local_port)
        result[cluster.name] = cluster
    return result
