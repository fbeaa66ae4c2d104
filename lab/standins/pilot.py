"""Stand-in for Istio's Pilot: aggregated xDS v3 on 15010 (plain) and 15011 (mutual TLS), registration over HTTP on
8080 and 15005 (mutual TLS)."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from envoy.service.discovery.v3 import ads_pb2_grpc
from kubernetes.client.exceptions import ApiException

from lab.standins import tls
from lab.standins.api import Store, core_api, pod_namespace, setup_logging
from lab.standins.xds.ads import Discovery, World
from lab.standins.xds.model import Mesh, Service, build_services, parse_mesh

log = logging.getLogger("pilot")

GRPC_PORT, GRPC_TLS_PORT = 15010, 15011
HTTP_PORT, HTTP_TLS_PORT = 8080, 15005
SERVICE_ACCOUNT = "istio-pilot-service-account"
SETTLE_SECONDS = 0.1


class State:
    """The mesh as Pilot sees it: Services and Endpoints live, the mesh configuration as it was at the start."""

    def __init__(self, api: Any, mesh: Mesh, domain: str) -> None:
        self._mesh, self._domain = mesh, domain
        self._dirty = threading.Event()
        self._services = Store("services", api.list_service_for_all_namespaces, self._dirty.set).start()
        self._endpoints = Store("endpoints", api.list_endpoints_for_all_namespaces, self._dirty.set).start()
        for store in (self._services, self._endpoints):
            store.wait_synced()
        self.world = self._build()

    def _build(self) -> World:
        return World(build_services(self._services.items(), self._endpoints.items(), self._domain), self._mesh)

    def follow(self, discovery: Discovery) -> None:
        """Push after changes, several that come together at once."""
        while True:
            self._dirty.wait()
            threading.Event().wait(SETTLE_SECONDS)
            self._dirty.clear()
            world = self._build()
            if world != self.world:
                self.world = world
                log.info("%d services; pushing to %d proxies", len(world.services), discovery.connections)
                discovery.changed()


def registration(services: tuple[Service, ...]) -> list[dict[str, Any]]:
    """What GET /v1/registration answers: every service port with its hosts."""
    return [
        {
            "service-key": f"{service.host}|{port.name}",
            "hosts": [{"ip_address": item.address, "port": item.port} for item in port.endpoints],
        }
        for service in services
        for port in service.ports
    ]


class HttpServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line for a client without a certificate, or one that hung up."""
        log.info("http %s: %r", client_address[0], sys.exc_info()[1])


def http_server(address: str, port: int, state: State) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {
                "/version": lambda: {"version": "stand-in", "for": "istio-pilot 1.0"},
                "/ready": lambda: {"ready": True},
                "/v1/registration": lambda: registration(state.world.services),
            }
            answer = answers.get(self.path)
            body = json.dumps(answer() if answer else {"error": f"no {self.path}"}).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            log.info("http %s %s", self.client_address[0], format % args)

    return HttpServer((address, port), Handler)


def read_mesh(api: Any, namespace: str) -> Mesh:
    """Once, like Pilot of Istio 1.0: a changed mesh configuration takes effect when Pilot restarts."""
    try:
        data = api.read_namespaced_config_map("istio", namespace).data or {}
    except ApiException as error:
        raise SystemExit(f"ConfigMap {namespace}/istio: HTTP {error.status} {error.reason}") from error
    return parse_mesh(data.get("mesh", ""))


def main() -> None:
    setup_logging()
    api, namespace = core_api(), pod_namespace()
    mesh = read_mesh(api, namespace)
    log.info("stand-in for Pilot: %s", mesh)
    state = State(api, mesh, os.environ.get("CLUSTER_DOMAIN", "cluster.local"))
    discovery = Discovery(lambda: state.world)
    identity = tls.SecretIdentity(api, namespace, os.environ.get("SERVICE_ACCOUNT", SERVICE_ACCOUNT))
    first = identity.wait()

    server = tls.grpc_server()
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(discovery, server)
    server.add_insecure_port(f"0.0.0.0:{GRPC_PORT}")
    server.add_secure_port(f"0.0.0.0:{GRPC_TLS_PORT}", tls.mutual_tls(identity))
    server.start()
    for port, context in ((HTTP_PORT, None), (HTTP_TLS_PORT, tls.http_context(first))):
        web = http_server("0.0.0.0", port, state)
        if context:
            web.socket = context.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=web.serve_forever, daemon=True).start()
    log.info("serving on %d, %d, %d, %d", GRPC_PORT, GRPC_TLS_PORT, HTTP_PORT, HTTP_TLS_PORT)

    threading.Thread(target=state.follow, args=(discovery,), daemon=True).start()
    _serve_until_terminated(server)


def _serve_until_terminated(server: grpc.Server) -> None:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    log.info("stopping: proxies are told to connect elsewhere")
    server.stop(grace=0).wait(5)


if __name__ == "__main__":
    main()
