"""Part of the lab's stand-ins: keys and certificates in the shapes that Citadel of Istio 1.0 gives out."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import certificates

KEY_SIZE = 2048
ROOT_DAYS = 365
WORKLOAD_TTL = datetime.timedelta(hours=2160)
CLOCK_SKEW = datetime.timedelta(seconds=10)


class RequestRefused(Exception):
    """A certificate request that must not be signed, with the reason."""


@dataclass(frozen=True)
class Identity:
    """What Secret istio.<service account> holds: PEM texts."""

    root: bytes
    chain: bytes
    key: bytes


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> str:
    return f"spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_SIZE)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def cert_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def uris(extensions: x509.Extensions) -> list[str]:
    """URI names of a certificate or request."""
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(x509.UniformResourceIdentifier))


class Authority:
    """A self-signed root that signs workload certificates."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def create(cls, organization: str) -> Authority:
        key = new_key()
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
        start = now()
        draft = certificates.builder(
            name, name, key.public_key(), start - CLOCK_SKEW, start + datetime.timedelta(days=ROOT_DAYS)
        )
        certificate = certificates.with_role(draft, key.public_key(), "key_cert_sign").sign(key, hashes.SHA256())
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Authority:
        private = serialization.load_pem_private_key(key, password=None)
        if not isinstance(private, rsa.RSAPrivateKey):
            raise ValueError("the key of the root certificate is not an RSA key")
        return cls(x509.load_pem_x509_certificate(certificate), private)

    @property
    def root_pem(self) -> bytes:
        return cert_pem(self.certificate)

    @property
    def private_pem(self) -> bytes:
        return key_pem(self._key)

    def sign(
        self,
        public_key: rsa.RSAPublicKey,
        uri: str,
        ttl: datetime.timedelta = WORKLOAD_TTL,
        dns_names: tuple[str, ...] = (),
    ) -> bytes:
        """A leaf with an empty subject; hence its alternative name is critical (RFC 5280, 4.2.1.6)."""
        names = [x509.UniformResourceIdentifier(uri), *(x509.DNSName(name) for name in dns_names)]
        start = now()
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        end = min(start + ttl, self.certificate.not_valid_after_utc)
        draft = certificates.builder(x509.Name([]), self.certificate.subject, public_key, start, end)
        draft = certificates.with_role(draft, self._key.public_key(), "digital_signature", "key_encipherment")
        draft = draft.add_extension(x509.ExtendedKeyUsage(usages), critical=False).add_extension(
            x509.SubjectAlternativeName(names), critical=True
        )
        certificate = draft.sign(self._key, hashes.SHA256())
        return cert_pem(certificate)

    def issue(self, uri: str, dns_names: tuple[str, ...] = ()) -> Identity:
        key = new_key()
        return Identity(self.root_pem, self.sign(key.public_key(), uri, dns_names=dns_names), key_pem(key))

    def sign_request(self, csr_pem: bytes, caller: str, ttl: datetime.timedelta) -> bytes:
        """Sign a request if it asks for exactly the caller's own identity."""
        try:
            request = x509.load_pem_x509_csr(csr_pem)
        except ValueError as error:
            raise RequestRefused(f"not a PEM certificate request: {error}") from error
        public_key = request.public_key()
        if not request.is_signature_valid or not isinstance(public_key, rsa.RSAPublicKey):
            raise RequestRefused("the request is not signed by an RSA key of its own")
        wanted = uris(request.extensions)
        if wanted != [caller]:
            raise RequestRefused(f"caller {caller} asks for {wanted or 'no identity'}; only its own identity is given")
        return self.sign(public_key, caller, ttl)


def needs_renewal(chain: bytes, root: bytes, authority: Authority) -> bool:
    """Whether a stored certificate is unreadable, of another root, or past half of its life."""
    try:
        certificate = x509.load_pem_x509_certificate(chain)
        known = x509.load_pem_x509_certificate(root)
    except ValueError:
        return True
    if known != authority.certificate:
        return True
    middle = certificate.not_valid_before_utc + (certificate.not_valid_after_utc - certificate.not_valid_before_utc) / 2
    return now() >= middle
