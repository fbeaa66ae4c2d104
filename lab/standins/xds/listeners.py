"""Part of the Pilot stand-in: the virtual listener and, behind it, one listener per service port."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from lab.standins.xds import http
from lab.standins.xds.clusters import PASSTHROUGH, local_ports, packed, socket_address
from lab.standins.xds.model import Mesh, Node, Port, Service

VIRTUAL_LISTENER = "virtual"
VIRTUAL_PORT = 15001


def _filter(name: str, config: Any) -> Any:
    return listener_components_pb2.Filter(name=name, typed_config=packed(config))


def _tcp_filter(cluster: str) -> Any:
    return _filter("envoy.filters.network.tcp_proxy", tcp_proxy_pb2.TcpProxy(stat_prefix=cluster, cluster=cluster))


def _listener(address: str, port: int, filters: Iterable[Any], direction: Any) -> Any:
    """A listener that never binds: connections come to it through the virtual listener."""
    listener = listener_pb2.Listener(
        name=f"{address}_{port}", address=socket_address(address, port), traffic_direction=direction
    )
    listener.bind_to_port.value = False
    listener.filter_chains.add().filters.extend(filters)
    return listener


def virtual_listener() -> Any:
    """Takes every redirected connection; what no other listener wants goes to its original destination."""
    listener = listener_pb2.Listener(name=VIRTUAL_LISTENER, address=socket_address("0.0.0.0", VIRTUAL_PORT))
    listener.use_original_dst.value = True
    listener.filter_chains.add().filters.append(_tcp_filter(PASSTHROUGH))
    listener.listener_filters.add(
        name="envoy.filters.listener.original_dst", typed_config=packed(original_dst_pb2.OriginalDst())
    )
    return listener


def _http_filter(prefix: str, routes: Any, mesh: Mesh, *, checked: bool) -> Any:
    manager = http.connection_manager(prefix, routes, mesh, checked=checked)
    return _filter("envoy.filters.network.http_connection_manager", manager)


def inbound_listener(node: Node, service: Service, port: Port, local_port: int, mesh: Mesh) -> Any:
    if port.is_http:
        prefix = f"inbound_{node.address}_{local_port}"
        chain = _http_filter(prefix, http.inbound_routes(service, port), mesh, checked=mesh.policy_checks)
    else:
        chain = _tcp_filter(service.cluster("inbound", port))
    return _listener(node.address, local_port, [chain], base_pb2.INBOUND)


def build_listeners(services: Iterable[Service], node: Node, mesh: Mesh) -> dict[str, Any]:
    """By name; the first service (in namespace and name order) that claims an address and port keeps it."""
    services = tuple(services)
    result = {VIRTUAL_LISTENER: virtual_listener()}
    for service, port, local_port in local_ports(services, node):
        listener = inbound_listener(node, service, port, local_port, mesh)
        result.setdefault(listener.name, listener)
    by_port: dict[int, list[tuple[Service, Port]]] = {}
    for service in services:
        if service.cluster_ip is None:
            continue
        for port in service.ports:
            if port.is_http:
                by_port.setdefault(port.number, []).append((service, port))
            else:
                cluster = service.cluster("outbound", port)
                listener = _listener(service.cluster_ip, port.number, [_tcp_filter(cluster)], base_pb2.OUTBOUND)
                result.setdefault(listener.name, listener)
    for number, users in sorted(by_port.items()):
        routes = http.outbound_routes(number, users, node)
        chain = _http_filter(f"outbound_0.0.0.0_{number}", routes, mesh, checked=False)
        listener = _listener("0.0.0.0", number, [chain], base_pb2.OUTBOUND)
        result.setdefault(listener.name, listener)
    return result
