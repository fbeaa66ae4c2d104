"""The Pilot stand-in's resources: what a node gets for which Services, Endpoints and mesh settings."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from kubernetes import client

from lab.standins.xds.clusters import HTTP_OPTIONS, build_clusters, outbound_endpoints
from lab.standins.xds.http import POLICY_DOWN_BODY, POLICY_FILTER
from lab.standins.xds.listeners import build_listeners
from lab.standins.xds.model import Endpoint, Mesh, NodeError, Port, Service, build_services, parse_mesh, parse_node

NODE = parse_node("sidecar~192.168.0.81~deb-nginx01.default~default.svc.cluster.local")
POLICY = "outbound|9091||istio-policy.istio-system.svc.cluster.local"


def service(name: str, *ports: Port, namespace: str = "default", cluster_ip: str | None = "10.233.1.1") -> Service:
    return Service(name, namespace, f"{name}.{namespace}.svc.cluster.local", cluster_ip, ports)


NGINX = service("deb-nginx01", Port(9080, "http", (Endpoint("192.168.0.81", 9080),)))
ELSEWHERE = service("web", Port(80, "http-web", (Endpoint("10.244.1.2", 8080),)), namespace="shop")
DATABASE = service("db", Port(3306, "mysql", (Endpoint("10.244.1.3", 3306),)), cluster_ip="10.233.1.3")
POLICY_SERVICE = service(
    "istio-policy", Port(9091, "grpc-mixer", (Endpoint("10.244.1.9", 9091),)), namespace="istio-system"
)
ALL = (NGINX, ELSEWHERE, DATABASE, POLICY_SERVICE)


def manager(listener: Any) -> Any:
    config = hcm_pb2.HttpConnectionManager()
    assert listener.filter_chains[0].filters[0].typed_config.Unpack(config)
    return config


def http2(cluster: Any) -> bool:
    options = http_protocol_options_pb2.HttpProtocolOptions()
    if HTTP_OPTIONS in cluster.typed_extension_protocol_options:
        cluster.typed_extension_protocol_options[HTTP_OPTIONS].Unpack(options)
    return options.explicit_http_config.HasField("http2_protocol_options")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("http", "http"), ("HTTP-web", "http"), ("grpc-mixer", "grpc"), ("mysql", "tcp"), ("1234", "tcp"), ("", "tcp")],
)
def test_protocol_comes_from_the_port_name(name: str, kind: str) -> None:
    assert Port(1, name).kind == kind


def test_node_id_is_parsed_and_checked() -> None:
    assert (NODE.address, NODE.ident, NODE.namespace) == ("192.168.0.81", "deb-nginx01.default", "default")
    with pytest.raises(NodeError, match="sidecar~1"):
        parse_node("sidecar~1")


def test_mesh_defaults_and_settings() -> None:
    assert parse_mesh("") == Mesh(tracing=True)
    text = "# note\ndisablePolicyChecks: true\npolicyCheckFailOpen: true\nenableTracing: false\naccessLogFile: ''\n"
    assert parse_mesh(text) == Mesh(policy_checks=False, policy_fail_open=True, tracing=False, access_log="")
    assert parse_mesh("mixerCheckServer: p.x:15004").policy_cluster == "outbound|15004||p.x"
    with pytest.raises(ValueError, match="mapping"):
        parse_mesh("- a list")


def test_services_and_endpoints_are_joined_by_port_name() -> None:
    def meta(name: str) -> Any:
        return client.V1ObjectMeta(name=name, namespace="default")

    ports = [
        client.V1ServicePort(name="http", port=80, protocol="TCP"),
        client.V1ServicePort(name="dns", port=53, protocol="UDP"),
    ]
    services = [
        client.V1Service(metadata=meta("web"), spec=client.V1ServiceSpec(cluster_ip="10.233.0.5", ports=ports)),
        client.V1Service(metadata=meta("far"), spec=client.V1ServiceSpec(type="ExternalName", external_name="x.y")),
        client.V1Service(metadata=meta("headless"), spec=client.V1ServiceSpec(cluster_ip="None", ports=[])),
    ]
    subset = client.V1EndpointSubset(
        addresses=[client.V1EndpointAddress(ip="10.244.1.5"), client.V1EndpointAddress(ip="10.244.1.4")],
        not_ready_addresses=[client.V1EndpointAddress(ip="10.244.1.6")],
        ports=[client.CoreV1EndpointPort(name="http", port=8080), client.CoreV1EndpointPort(name="other", port=9)],
    )
    endpoints = [client.V1Endpoints(metadata=meta("web"), subsets=[subset])]
    headless, web = build_services(services, endpoints, "cluster.local")
    assert headless.cluster_ip is None
    assert web.host == "web.default.svc.cluster.local"
    assert web.ports == (Port(80, "http", (Endpoint("10.244.1.4", 8080), Endpoint("10.244.1.5", 8080))),)


def test_clusters_outbound_for_all_and_inbound_for_the_nodes_own() -> None:
    clusters = build_clusters(ALL, NODE, Mesh())
    assert "outbound|80||web.shop.svc.cluster.local" in clusters
    assert "inbound|80||web.shop.svc.cluster.local" not in clusters
    inbound = clusters["inbound|9080||deb-nginx01.default.svc.cluster.local"]
    address = inbound.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.1", 9080)
    assert http2(clusters[POLICY])
    assert not http2(clusters["outbound|9080||deb-nginx01.default.svc.cluster.local"])


def test_the_policy_cluster_exists_whenever_a_filter_names_it() -> None:
    assert http2(build_clusters((NGINX,), NODE, Mesh())[POLICY])
    assert POLICY not in build_clusters((NGINX,), NODE, Mesh(policy_checks=False))


def test_endpoints_are_those_of_the_pods() -> None:
    (found,) = outbound_endpoints(ALL)[POLICY].endpoints
    assert found.lb_endpoints[0].endpoint.address.socket_address.address == "10.244.1.9"


def test_listeners_of_a_node_with_one_service() -> None:
    listeners = build_listeners(ALL, NODE, Mesh())
    assert set(listeners) == {
        "virtual", "192.168.0.81_9080", "0.0.0.0_80", "0.0.0.0_9080", "0.0.0.0_9091", "10.233.1.3_3306",
    }  # fmt: skip
    virtual = listeners["virtual"]
    assert virtual.use_original_dst.value
    assert virtual.address.socket_address.port_value == 15001
    assert not virtual.HasField("bind_to_port")
    for name in set(listeners) - {"virtual"}:
        assert listeners[name].bind_to_port.value is False, name
    assert listeners["192.168.0.81_9080"].traffic_direction == base_pb2.INBOUND
    tcp = tcp_proxy_pb2.TcpProxy()
    assert listeners["10.233.1.3_3306"].filter_chains[0].filters[0].typed_config.Unpack(tcp)
    assert tcp.cluster == "outbound|3306||db.default.svc.cluster.local"


@pytest.mark.parametrize("fail_open", [False, True])
def test_policy_filter_follows_the_mesh_settings(fail_open: bool) -> None:
    listeners = build_listeners(ALL, NODE, Mesh(policy_fail_open=fail_open))
    inbound = manager(listeners["192.168.0.81_9080"])
    assert [item.name for item in inbound.http_filters] == [POLICY_FILTER, "envoy.filters.http.router"]
    check = ext_authz_pb2.ExtAuthz()
    assert inbound.http_filters[0].typed_config.Unpack(check)
    assert check.grpc_service.envoy_grpc.cluster_name == POLICY
    assert check.failure_mode_allow is fail_open
    assert check.status_on_error.code == 503
    assert inbound.local_reply_config.mappers[0].body.inline_string == POLICY_DOWN_BODY
    outbound = manager(listeners["0.0.0.0_80"])
    assert [item.name for item in outbound.http_filters] == ["envoy.filters.http.router"]


def test_without_policy_checks_there_is_no_trace_of_the_filter() -> None:
    inbound = manager(build_listeners(ALL, NODE, Mesh(policy_checks=False))["192.168.0.81_9080"])
    assert [item.name for item in inbound.http_filters] == ["envoy.filters.http.router"]
    assert not inbound.HasField("local_reply_config")
    assert not inbound.HasField("tracing")
    assert manager(build_listeners(ALL, NODE, Mesh(tracing=True))["192.168.0.81_9080"]).HasField("tracing")


def test_outbound_routes_know_every_name_of_a_service() -> None:
    routes = manager(build_listeners(ALL, NODE, Mesh())["0.0.0.0_9080"]).route_config
    own, rest = routes.virtual_hosts
    assert {"deb-nginx01", "deb-nginx01:9080", "deb-nginx01.default", "10.233.1.1:9080"} <= set(own.domains)
    assert list(rest.domains) == ["*"]
    elsewhere = manager(build_listeners(ALL, NODE, Mesh())["0.0.0.0_80"]).route_config.virtual_hosts[0]
    assert "web" not in elsewhere.domains
    assert "web.shop" in elsewhere.domains


def test_two_services_on_one_address_and_port_share_the_first_ones_listener() -> None:
    other = service("another", Port(80, "http", (Endpoint("192.168.0.81", 9080),)))
    both = (other, NGINX)
    assert len([name for name in build_clusters(both, NODE, Mesh()) if name.startswith("inbound")]) == 2
    routes = manager(build_listeners(both, NODE, Mesh())["192.168.0.81_9080"]).route_config
    assert routes.name == "inbound|80||another.default.svc.cluster.local"
