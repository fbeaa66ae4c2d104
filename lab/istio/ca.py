"""The mesh's certificate authority, plugged into istiod: a root of the lab's own and an intermediate that signs."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lab import certificates

Json = dict[str, Any]
ORGANIZATION = "mesh-lab"
LIFETIME = dt.timedelta(days=365)
CLOCK_SKEW = dt.timedelta(minutes=5)
FILES = ("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
"""What istiod asks for in /etc/cacerts; a part of them is an error to it."""


def _name(common_name: str) -> x509.Name:
    attributes = {NameOID.ORGANIZATION_NAME: ORGANIZATION, NameOID.COMMON_NAME: common_name}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes.items()])


def _authority(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    path_length: int,
) -> x509.Certificate:
    draft = certificates.builder(name, issuer, key.public_key(), now - CLOCK_SKEW, now + LIFETIME)
    draft = certificates.with_role(draft, key.public_key(), "key_cert_sign", "crl_sign", path_length=path_length)
    if signer is not key:
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        draft = draft.add_extension(issuer_key, critical=False)
    return draft.sign(signer, hashes.SHA256())


def create(root_name: str = "root 1", now: dt.datetime | None = None) -> dict[str, bytes]:
    """A new root and an intermediate under it, as the files that istiod reads. The root's key is not kept."""
    now = now or dt.datetime.now(dt.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _authority(_name(root_name), root_key, _name(root_name), root_key, now, 1)
    signing = _authority(_name(f"intermediate of {root_name}"), key, root.subject, root_key, now, 0)
    root_pem, signing_pem = (cert.public_bytes(serialization.Encoding.PEM) for cert in (root, signing))
    plain = serialization.NoEncryption()
    return {
        "ca-cert.pem": signing_pem,
        "ca-key.pem": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        "root-cert.pem": root_pem,
        "cert-chain.pem": signing_pem + root_pem,
    }


def ensure(directory: Path) -> dict[str, bytes]:
    """The lab's authority, made once; a set that is not whole is made anew."""
    if not all((directory / name).is_file() for name in FILES):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in create().items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_bytes(content)
    return {name: (directory / name).read_bytes() for name in FILES}


def secret(files: dict[str, bytes], namespace: str) -> Json:
    """The Secret that istiod mounts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cacerts", "namespace": namespace},
        "type": "Opaque",
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }
