"""The Citadel stand-in: shapes of certificates, Secrets, and who may ask for what."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from kubernetes.client.exceptions import ApiException

from lab.standins import citadel, pki, tls

NGINX = "spiffe://cluster.local/ns/default/sa/default"


@pytest.fixture(scope="module")
def authority() -> pki.Authority:
    return pki.Authority.create("cluster.local")


def request_for(*uris: str) -> tuple[Any, bytes]:
    key = pki.new_key()
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri) for uri in uris])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if uris:
        builder = builder.add_extension(names, critical=True)
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_workload_certificate_looks_like_citadels(authority: pki.Authority) -> None:
    identity = authority.issue(NGINX)
    certificate = x509.load_pem_x509_certificate(identity.chain)
    assert not list(certificate.subject)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert pki.uris(certificate.extensions) == [NGINX]
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life == datetime.timedelta(hours=2160)
    certificate.verify_directly_issued_by(authority.certificate)
    key = serialization.load_pem_private_key(identity.key, None)
    assert key.public_key() == certificate.public_key()
    assert identity.root == authority.root_pem


def test_root_survives_a_round_trip(authority: pki.Authority) -> None:
    again = pki.Authority.load(authority.root_pem, authority.private_pem)
    x509.load_pem_x509_certificate(again.issue(NGINX).chain).verify_directly_issued_by(authority.certificate)


def test_only_the_callers_own_identity_is_signed(authority: pki.Authority) -> None:
    key, csr = request_for(NGINX)
    signed = x509.load_pem_x509_certificate(authority.sign_request(csr, NGINX, datetime.timedelta(hours=1)))
    assert signed.public_key() == key.public_key()
    for wrong in (
        request_for("spiffe://cluster.local/ns/x/sa/y")[1],
        request_for()[1],
        request_for(NGINX, NGINX + "x")[1],
    ):
        with pytest.raises(pki.RequestRefused, match="its own identity"):
            authority.sign_request(wrong, NGINX, datetime.timedelta(hours=1))
    with pytest.raises(pki.RequestRefused, match="not a PEM"):
        authority.sign_request(b"rubbish", NGINX, datetime.timedelta(hours=1))


def test_renewal_is_due_for_another_root_or_an_unreadable_certificate(authority: pki.Authority) -> None:
    mine = authority.issue(NGINX)
    assert not pki.needs_renewal(mine.chain, mine.root, authority)
    assert pki.needs_renewal(b"rubbish", mine.root, authority)
    assert pki.needs_renewal(mine.chain, pki.Authority.create("other").root_pem, authority)
    old = authority.sign(pki.new_key().public_key(), NGINX, datetime.timedelta(seconds=0))
    assert pki.needs_renewal(old, mine.root, authority)


class FakeApi:
    """Secrets in a dictionary."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], Any] = {}

    def read_namespaced_secret(self, name: str, namespace: str) -> Any:
        if (namespace, name) not in self.secrets:
            raise ApiException(status=404)
        return self.secrets[namespace, name]

    def create_namespaced_secret(self, namespace: str, body: Any) -> None:
        if (namespace, body.metadata.name) in self.secrets:
            raise ApiException(status=409)
        self.secrets[namespace, body.metadata.name] = body

    def replace_namespaced_secret(self, name: str, namespace: str, body: Any) -> None:
        self.secrets[namespace, name] = body

    def list_service_account_for_all_namespaces(self) -> None: ...

    def list_secret_for_all_namespaces(self) -> None: ...


class FakeStore:
    def __init__(self, items: list[Any], found: Any = None) -> None:
        self._items, self._found = items, {} if found is None else found

    def items(self) -> list[Any]:
        return self._items

    def get(self, namespace: str, name: str) -> Any:
        return self._found.get((namespace, name))


def test_the_root_is_created_once_and_then_reused() -> None:
    api = FakeApi()
    first = citadel.load_or_create_root(api, "istio-system")
    second = citadel.load_or_create_root(api, "istio-system")
    assert first.certificate == second.certificate
    assert api.secrets["istio-system", "istio-ca-secret"].type == "istio.io/ca-root"


def test_missing_secrets_are_issued_and_good_ones_left(authority: pki.Authority) -> None:
    api = FakeApi()
    controller = citadel.SecretController(api, authority, "cluster.local")
    accounts = [("zoo", "keeper"), ("default", "default"), ("istio-system", "istio-pilot-service-account")]
    controller._accounts = FakeStore(  # type: ignore[assignment]
        [SimpleNamespace(metadata=SimpleNamespace(namespace=ns, name=name)) for ns, name in accounts]
    )
    controller._secrets = FakeStore([], api.secrets)  # type: ignore[assignment]
    controller.sweep()
    assert [key[0] for key in api.secrets] == ["default", "istio-system", "zoo"]
    secret = api.secrets["default", "istio.default"]
    assert secret.type == "istio.io/key-and-cert"
    assert set(secret.data) == {"root-cert.pem", "cert-chain.pem", "key.pem"}
    chain = x509.load_pem_x509_certificate(base64.b64decode(secret.data["cert-chain.pem"]))
    assert pki.uris(chain.extensions) == [NGINX]

    before = dict(api.secrets)
    secret.data["cert-chain.pem"] = base64.b64encode(b"broken").decode()
    controller.sweep()
    assert api.secrets["default", "istio.default"] is not secret
    assert api.secrets["zoo", "istio.keeper"] is before["zoo", "istio.keeper"]


@pytest.fixture
def server(authority: pki.Authority) -> Iterator[str]:
    running, port = citadel.serve(authority, "istio-system", "cluster.local", "127.0.0.1:0")
    yield f"127.0.0.1:{port}"
    running.stop(0).wait(5)


def handle(address: str, caller: pki.Identity, csr: bytes) -> Any:
    credentials = grpc.ssl_channel_credentials(caller.root, caller.key, caller.chain)
    options = (("grpc.ssl_target_name_override", "istio-citadel"),)
    with grpc.secure_channel(address, credentials, options) as channel:
        stub = citadel.services.IstioCAServiceStub(channel)
        return stub.HandleCSR(citadel.messages.CsrRequest(csr_pem=csr, requested_ttl_minutes=60), timeout=10)


def test_requests_over_mutual_tls(authority: pki.Authority, server: str) -> None:
    caller = authority.issue(NGINX)
    response = handle(server, caller, request_for(NGINX)[1])
    assert response.is_approved
    signed = x509.load_pem_x509_certificate(response.signed_cert)
    assert signed.not_valid_after_utc - signed.not_valid_before_utc == datetime.timedelta(hours=1)

    with pytest.raises(grpc.RpcError) as refused:
        handle(server, caller, request_for("spiffe://cluster.local/ns/default/sa/admin")[1])
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED

    stranger = pki.Authority.create("elsewhere").issue(NGINX)
    with pytest.raises(grpc.RpcError) as unknown:
        handle(server, pki.Identity(authority.root_pem, stranger.chain, stranger.key), request_for(NGINX)[1])
    assert unknown.value.code() == grpc.StatusCode.UNAVAILABLE


def test_a_secret_that_lacks_a_key_is_named() -> None:
    secret = SimpleNamespace(metadata=SimpleNamespace(namespace="n", name="istio.x"), data={"key.pem": "YQ=="})
    with pytest.raises(ValueError, match="n/istio.x lacks root-cert.pem, cert-chain.pem"):
        tls.identity_from_secret(secret)
