"""Part of the Pilot stand-in: the HTTP connection manager, its routes and the policy check."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2

from lab.standins.xds.clusters import API_V3, PASSTHROUGH, packed
from lab.standins.xds.model import Mesh, Node, Port, Service

POLICY_FILTER = "envoy.filters.http.ext_authz"
POLICY_SECONDS = 1
POLICY_DOWN_STATUS = 503
POLICY_DOWN_BODY = "UNAVAILABLE:upstream connect error or disconnect/reset before headers"
UNAUTHORIZED_FLAG = "UAEX"
LOG_FORMAT = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% "%REQ(:AUTHORITY)%" %UPSTREAM_CLUSTER% %DOWNSTREAM_LOCAL_ADDRESS%\n'
)


def policy_filter(mesh: Mesh) -> Any:
    """Ask the policy service before each request; what happens when it cannot be asked is the mesh's choice."""
    check = ext_authz_pb2.ExtAuthz(transport_api_version=API_V3, failure_mode_allow=mesh.policy_fail_open)
    check.grpc_service.envoy_grpc.cluster_name = mesh.policy_cluster
    check.grpc_service.timeout.seconds = POLICY_SECONDS
    check.status_on_error.code = POLICY_DOWN_STATUS
    return hcm_pb2.HttpFilter(name=POLICY_FILTER, typed_config=packed(check))


def _policy_down_reply(config: Any) -> None:
    """Mixer's words for a check that could not be made."""
    mapper = config.local_reply_config.mappers.add()
    both = mapper.filter.and_filter.filters
    both.add().response_flag_filter.flags.append(UNAUTHORIZED_FLAG)
    comparison = both.add().status_code_filter.comparison
    comparison.value.default_value = POLICY_DOWN_STATUS
    comparison.value.runtime_key = "policy.status_on_error"
    mapper.body.inline_string = POLICY_DOWN_BODY


def access_log(path: str) -> Any:
    log = file_pb2.FileAccessLog(path=path)
    log.log_format.text_format_source.inline_string = LOG_FORMAT
    return accesslog_pb2.AccessLog(name="envoy.access_loggers.file", typed_config=packed(log))


def connection_manager(prefix: str, routes: Any, mesh: Mesh, *, checked: bool) -> Any:
    config = hcm_pb2.HttpConnectionManager(stat_prefix=prefix, route_config=routes)
    if checked:
        config.http_filters.append(policy_filter(mesh))
        _policy_down_reply(config)
    config.http_filters.append(
        hcm_pb2.HttpFilter(name="envoy.filters.http.router", typed_config=packed(router_pb2.Router()))
    )
    if mesh.tracing:
        config.tracing.SetInParent()
    if mesh.access_log:
        config.access_log.append(access_log(mesh.access_log))
    return config


def _route(cluster: str) -> Any:
    route = route_components_pb2.Route()
    route.match.prefix = "/"
    route.route.cluster = cluster
    # No limit: that is the application's business.
    route.route.timeout.seconds = 0
    return route


def _virtual_host(name: str, domains: Iterable[str], cluster: str) -> Any:
    return route_components_pb2.VirtualHost(name=name, domains=domains, routes=[_route(cluster)])


def inbound_routes(service: Service, port: Port) -> Any:
    cluster = service.cluster("inbound", port)
    host = _virtual_host(f"inbound|http|{port.number}", ["*"], cluster)
    return route_pb2.RouteConfiguration(name=cluster, virtual_hosts=[host])


def service_domains(service: Service, port: int, node: Node) -> list[str]:
    """Every name that a client of this node may use, with and without the port."""
    zone = f"{service.name}.{service.namespace}"
    names = [service.host, f"{zone}.svc", zone]
    if service.namespace == node.namespace:
        names.append(service.name)
    if service.cluster_ip:
        names.append(service.cluster_ip)
    return [text for name in names for text in (name, f"{name}:{port}")]


def outbound_routes(port: int, services: Iterable[tuple[Service, Port]], node: Node) -> Any:
    """One virtual host per service of the port; anything else goes where it was sent."""
    config = route_pb2.RouteConfiguration(name=str(port))
    for service, item in services:
        name = f"{service.host}:{port}"
        config.virtual_hosts.append(
            _virtual_host(name, service_domains(service, port, node), service.cluster("outbound", item))
        )
    config.virtual_hosts.append(_virtual_host("allow_any", ["*"], PASSTHROUGH))
    return config
