"""The Pilot stand-in's HTTP side: registration, and mutual TLS on the secure port."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.standins import pilot, pki, tls
from lab.standins.xds.ads import World
from lab.standins.xds.model import Endpoint, Mesh, Port, Service

NGINX = Service(
    "nginx",
    "default",
    "nginx.default.svc.cluster.local",
    "10.233.1.1",
    (Port(80, "http", (Endpoint("1.2.3.4", 9080),)),),
)


@pytest.fixture
def web(request: pytest.FixtureRequest) -> Any:
    state: Any = SimpleNamespace(world=World((NGINX,), Mesh()))
    server = pilot.http_server("127.0.0.1", 0, state)
    context = getattr(request, "param", None)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_registration_lists_service_ports_and_hosts(web: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", web, timeout=10)
    connection.request("GET", "/v1/registration")
    (entry,) = json.load(connection.getresponse())
    assert entry == {"service-key": f"{NGINX.host}|http", "hosts": [{"ip_address": "1.2.3.4", "port": 9080}]}
    connection.request("GET", "/nothing")
    assert connection.getresponse().status == 404


AUTHORITY = pki.Authority.create("cluster.local")
PILOT = AUTHORITY.issue("spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account")


@pytest.mark.parametrize("web", [tls.http_context(PILOT)], indirect=True)
def test_the_secure_port_wants_a_client_certificate(web: int, tmp_path: Path) -> None:
    context = ssl.create_default_context(cadata=AUTHORITY.root_pem.decode())
    context.check_hostname = False
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _version(web, context)
    pair = tmp_path / "pair.pem"
    identity = AUTHORITY.issue("spiffe://cluster.local/ns/default/sa/default")
    pair.write_bytes(identity.key + identity.chain)
    context.load_cert_chain(pair)
    assert _version(web, context) == 200


def _version(port: int, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    try:
        connection.request("GET", "/version")
        return connection.getresponse().status
    finally:
        connection.close()
