"""Stand-in for Istio's Mixer: answers OK to every external authorization check on 9091
(plain) and 15004 (mutual TLS)."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Any

import grpc
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc

from lab.standins import tls
from lab.standins.api import core_api, pod_namespace, setup_logging

log = logging.getLogger("mixer")

PLAIN_PORT = 9091
TLS_PORT = 15004
SERVICE_ACCOUNT = "istio-mixer-service-account"
OK = 0


class Policy(external_auth_pb2_grpc.AuthorizationServicer):
    """The policy role: every request may pass."""

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        http = request.attributes.request.http
        log.info("check: %s %s%s from %s", http.method, http.host, http.path, context.peer())
        response = external_auth_pb2.CheckResponse()
        response.status.code = OK
        return response


class Telemetry(als_pb2_grpc.AccessLogServiceServicer):
    """The telemetry role: takes access logs and counts them."""

    def StreamAccessLogs(self, request_iterator: Any, context: grpc.ServicerContext) -> Any:
        for number, _message in enumerate(request_iterator, 1):
            log.info("report %d of %s", number, context.peer())
        return als_pb2.StreamAccessLogsResponse()


def build_server(role: str) -> grpc.Server:
    server = tls.grpc_server()
    if role == "policy":
        external_auth_pb2_grpc.add_AuthorizationServicer_to_server(Policy(), server)
    else:
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(Telemetry(), server)
    return server


def main() -> None:
    setup_logging()
    by_name = "policy" if "policy" in os.environ.get("POD_NAME", "") else "telemetry"
    role = sys.argv[1] if len(sys.argv) > 1 else by_name
    server = build_server(role)
    server.add_insecure_port(f"0.0.0.0:{PLAIN_PORT}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    identity = tls.SecretIdentity(core_api(), pod_namespace(), os.environ.get("SERVICE_ACCOUNT", SERVICE_ACCOUNT))
    identity.wait()
    secure = build_server(role)
    secure.add_secure_port(f"0.0.0.0:{TLS_PORT}", tls.mutual_tls(identity))
    secure.start()
    log.info("stand-in for Mixer (%s): serving on %d and %d", role, PLAIN_PORT, TLS_PORT)
    secure.wait_for_termination()


if __name__ == "__main__":
    main()
