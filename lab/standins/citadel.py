"""Stand-in for Istio's Citadel: issues istio.<service account> Secrets and signs certificate
requests on 8060 (mutual TLS)."""

from __future__ import annotations

import base64
import datetime
import logging
import os
import signal
import threading
from typing import Any

import grpc
import kubernetes
from kubernetes.client.exceptions import ApiException

from lab.standins import pki, tls
from lab.standins.api import Store, core_api, pod_namespace, setup_logging

log = logging.getLogger("citadel")

# Compiled by grpcio-tools when this module is loaded.
messages, services = grpc.protos_and_services("lab/standins/proto/ca_service.proto")

PORT = 8060
ROOT_SECRET = "istio-ca-secret"
ROOT_TYPE = "istio.io/ca-root"
SECRET_TYPE = "istio.io/key-and-cert"
SERVICE_ACCOUNT_ANNOTATION = "istio.io/service-account.name"
SERVER_ACCOUNT = "istio-citadel-service-account"
SWEEP_SECONDS = 30.0
FIRST_NAMESPACES = ("istio-system", "default")


def load_or_create_root(api: Any, namespace: str) -> pki.Authority:
    """The root outlives this process in a Secret of its own; whoever creates that Secret first wins."""
    while True:
        try:
            data = api.read_namespaced_secret(ROOT_SECRET, namespace).data
            return pki.Authority.load(base64.b64decode(data["ca-cert.pem"]), base64.b64decode(data["ca-key.pem"]))
        except ApiException as error:
            if error.status != 404:
                raise
        authority = pki.Authority.create("cluster.local")
        body = secret_body(
            ROOT_SECRET, namespace, ROOT_TYPE, {"ca-cert.pem": authority.root_pem, "ca-key.pem": authority.private_pem}
        )
        try:
            api.create_namespaced_secret(namespace, body)
            log.info("created the root certificate, Secret %s/%s", namespace, ROOT_SECRET)
        except ApiException as error:
            if error.status != 409:
                raise


def secret_body(name: str, namespace: str, kind: str, data: dict[str, bytes], annotations: Any = None) -> Any:
    client = kubernetes.client
    return client.V1Secret(
        metadata=client.V1ObjectMeta(name=name, namespace=namespace, annotations=annotations),
        type=kind,
        data={key: base64.b64encode(value).decode() for key, value in data.items()},
    )


class SecretController:
    """Keeps one Secret of type istio.io/key-and-cert per ServiceAccount."""

    def __init__(self, api: Any, authority: pki.Authority, trust_domain: str) -> None:
        self._api = api
        self._authority = authority
        self._trust_domain = trust_domain
        self._changed = threading.Event()
        self._accounts = Store("serviceaccounts", api.list_service_account_for_all_namespaces, self._changed.set)
        self._secrets = Store("secrets", api.list_secret_for_all_namespaces, self._changed.set)

    def run(self) -> None:
        for store in (self._accounts.start(), self._secrets.start()):
            store.wait_synced()
        while True:
            self._changed.clear()
            try:
                self.sweep()
            except (ApiException, OSError) as error:
                log.warning("issuing Secrets: %s; trying again", error)
            self._changed.wait(SWEEP_SECONDS)

    def sweep(self) -> None:
        """Write what is missing or stale; the control plane's and the default namespace first."""
        wanted = sorted(
            ((item.metadata.namespace, item.metadata.name) for item in self._accounts.items()),
            key=lambda account: (account[0] not in FIRST_NAMESPACES, account),
        )
        for namespace, account in wanted:
            name = f"istio.{account}"
            existing = self._secrets.get(namespace, name)
            if existing is None or self._stale(existing):
                self._write(namespace, account, name, replace=existing is not None)

    def _stale(self, secret: Any) -> bool:
        if secret.type != SECRET_TYPE:
            return False
        try:
            identity = tls.identity_from_secret(secret)
        except ValueError:
            return True
        return pki.needs_renewal(identity.chain, identity.root, self._authority)

    def _write(self, namespace: str, account: str, name: str, *, replace: bool) -> None:
        identity = self._authority.issue(pki.spiffe_id(self._trust_domain, namespace, account))
        data = {"root-cert.pem": identity.root, "cert-chain.pem": identity.chain, "key.pem": identity.key}
        body = secret_body(name, namespace, SECRET_TYPE, data, {SERVICE_ACCOUNT_ANNOTATION: account})
        try:
            if replace:
                self._api.replace_namespaced_secret(name, namespace, body)
            else:
                self._api.create_namespaced_secret(namespace, body)
        except ApiException as error:
            # Already there, or its namespace is going away: the watch brings the truth.
            if error.status not in (403, 404, 409):
                raise
            log.info("Secret %s/%s not written: HTTP %s", namespace, name, error.status)
            return
        log.info("issued Secret %s/%s", namespace, name)


class CaService(services.IstioCAServiceServicer):  # type: ignore[name-defined]
    """HandleCSR: the caller's certificate must carry the identity that the request asks for."""

    def __init__(self, authority: pki.Authority) -> None:
        self._authority = authority

    def HandleCSR(self, request: Any, context: grpc.ServicerContext) -> Any:
        callers = tls.peer_ids(context)
        if len(callers) != 1:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the client certificate carries no single SPIFFE identity")
        minutes = request.requested_ttl_minutes
        ttl = min(datetime.timedelta(minutes=minutes), pki.WORKLOAD_TTL) if minutes > 0 else pki.WORKLOAD_TTL
        try:
            signed = self._authority.sign_request(request.csr_pem, callers[0], ttl)
        except pki.RequestRefused as error:
            log.warning("request of %s refused: %s", callers[0], error)
            context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        log.info("signed a request of %s", callers[0])
        return messages.CsrResponse(is_approved=True, signed_cert=signed, cert_chain=b"")


def serve(authority: pki.Authority, namespace: str, trust_domain: str, address: str) -> tuple[grpc.Server, int]:
    names = tuple(
        f"{service}{suffix}"
        for service in ("istio-citadel", "istio-ca")
        for suffix in ("", f".{namespace}", f".{namespace}.svc", f".{namespace}.svc.cluster.local")
    )
    identity = authority.issue(pki.spiffe_id(trust_domain, namespace, SERVER_ACCOUNT), names)
    server = tls.grpc_server()
    services.add_IstioCAServiceServicer_to_server(CaService(authority), server)
    port = server.add_secure_port(address, tls.dynamic_credentials(lambda: identity))
    server.start()
    return server, port


def main() -> None:
    setup_logging()
    api, namespace = core_api(), pod_namespace()
    trust_domain = os.environ.get("TRUST_DOMAIN", "cluster.local")
    authority = load_or_create_root(api, namespace)
    _server, port = serve(authority, namespace, trust_domain, f"0.0.0.0:{PORT}")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    log.info("stand-in for Citadel: serving certificate requests on %d", port)
    SecretController(api, authority, trust_domain).run()


if __name__ == "__main__":
    main()
