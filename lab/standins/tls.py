"""Part of the lab's stand-ins: mutual TLS for their servers, with the identity that the Citadel stand-in wrote."""

from __future__ import annotations

import base64
import logging
import os
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import grpc
from kubernetes.client.exceptions import ApiException

from lab.standins.pki import Identity

log = logging.getLogger(__name__)

KEYS = ("root-cert.pem", "cert-chain.pem", "key.pem")
WORKERS = 128
MAX_AGE_SECONDS = 60.0


def identity_from_secret(secret: Any) -> Identity:
    """Decode Secret istio.<service account>."""
    data = secret.data or {}
    missing = [key for key in KEYS if not data.get(key)]
    if missing:
        raise ValueError(f"Secret {secret.metadata.namespace}/{secret.metadata.name} lacks {', '.join(missing)}")
    return Identity(*(base64.b64decode(data[key]) for key in KEYS))


class SecretIdentity:
    """Identity of a service account, read from its Secret, and again when the copy is a minute old."""

    def __init__(self, api: Any, namespace: str, service_account: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = f"istio.{service_account}"
        self._lock = threading.Lock()
        self._current: Identity | None = None
        self._read_at = 0.0

    def wait(self, timeout: float = 300) -> Identity:
        """The identity, waiting for the Secret to be written."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self._read()
            except (ApiException, ValueError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no identity in Secret {self._namespace}/{self._name}") from error
                log.info("waiting for Secret %s/%s", self._namespace, self._name)
            time.sleep(1)

    def current(self) -> Identity:
        with self._lock:
            fresh = self._current is not None and time.monotonic() - self._read_at < MAX_AGE_SECONDS
            if fresh and self._current is not None:
                return self._current
        try:
            return self._read()
        except (ApiException, ValueError, OSError):
            if self._current is None:
                raise
            return self._current

    def _read(self) -> Identity:
        secret = self._api.read_namespaced_secret(self._name, self._namespace, _request_timeout=10)
        identity = identity_from_secret(secret)
        with self._lock:
            self._current, self._read_at = identity, time.monotonic()
        return identity


def grpc_server() -> grpc.Server:
    """A server whose connections notice a peer that went away without a word."""
    options = (
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.so_reuseport", 0),
    )
    return grpc.server(futures.ThreadPoolExecutor(WORKERS), options=options)


def mutual_tls(identity: SecretIdentity) -> grpc.ServerCredentials:
    """Credentials that demand a client certificate of our root and follow a renewed Secret."""
    return dynamic_credentials(identity.current)


def dynamic_credentials(current: Callable[[], Identity]) -> grpc.ServerCredentials:
    """Another configuration only when the identity is another one: gRPC's core asks at each handshake, and takes the
    process down when handshakes end at once while it replaces one configuration by the next (a client that connects
    and goes away 50 times a second is enough; seen with 1.71 to 1.85)."""
    lock = threading.Lock()
    used = current()

    def made(identity: Identity) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(identity.key, identity.chain)], identity.root)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal used
        mine = current()
        with lock:
            if mine == used:
                return None
            used = mine
        return made(mine)

    return grpc.dynamic_ssl_server_credentials(made(used), fetch, require_client_authentication=True)


def peer_ids(context: grpc.ServicerContext) -> Sequence[str]:
    """SPIFFE identities in the verified client certificate."""
    auth = context.auth_context()
    return [name.decode() for name in auth.get("peer_spiffe_id", ())]


def http_context(identity: Identity) -> ssl.SSLContext:
    """The same policy for the standard library's HTTP server, which takes certificates from files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=identity.root.decode())
    # A file in memory only: a pod's file system is read-only, and a key has no business on a disk.
    with os.fdopen(os.memfd_create("identity"), "wb") as file:
        file.write(identity.key + identity.chain)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context
