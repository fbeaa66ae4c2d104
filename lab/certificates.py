"""What the certificates of the lab's Kubernetes and of its Citadel stand-in have in common."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes, CertificatePublicKeyTypes

USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def builder(
    subject: x509.Name, issuer: x509.Name, public_key: CertificatePublicKeyTypes, start: dt.datetime, end: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def with_role(
    draft: x509.CertificateBuilder,
    issuer_key: CertificateIssuerPublicKeyTypes,
    *usages: str,
    path_length: int | None = None,
) -> x509.CertificateBuilder:
    """Say what the key may do. One that may sign certificates is a CA, and names itself by its key;
    others name their issuer's."""
    ca = "key_cert_sign" in usages
    draft = draft.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    draft = draft.add_extension(x509.KeyUsage(**{name: name in usages for name in USAGES}), critical=True)
    if ca:
        return draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(issuer_key), critical=False)
    return draft.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
