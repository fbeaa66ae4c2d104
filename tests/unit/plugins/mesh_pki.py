# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small certificate authority for tests: identities as Citadel makes them."""

from __future__ import annotations

import base64
import datetime
import functools
import typing as t

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
SPIFFE = "spiffe://cluster.local/ns/default/sa/default"


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: t.Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def certificate(
    subject: str,
    key: t.Any,
    issuer: str,
    issuer_key: t.Any,
    start: int = -1,
    end: int = 90,
    uri: str = "",
    ca: bool = False,
) -> x509.Certificate:
    """A certificate; start and end are days from now, an empty subject stays empty."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)] if text else [])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + datetime.timedelta(days=start))
        .not_valid_after(NOW + datetime.timedelta(days=end))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if uri:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=True
        )
    return builder.sign(issuer_key, hashes.SHA256())


class Authority:
    """A root, and identities from it."""

    def __init__(self, name: str = "k8s.cluster.local", end: int = 365) -> None:
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.root = certificate(name, self.key, name, self.key, end=end, ca=True)

    def issue(self, uri: str = SPIFFE, start: int = -1, end: int = 90) -> dict[str, bytes]:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate("", key, self.name, self.key, start, end, uri)
        return {"key.pem": key_pem(key), "cert-chain.pem": pem(leaf), "root-cert.pem": pem(self.root)}

    def issue_through(self, intermediate: str, uri: str = SPIFFE, end: int = 200, ca: bool = True) -> dict[str, bytes]:
        middle_key = ec.generate_private_key(ec.SECP256R1())
        middle = certificate(intermediate, middle_key, self.name, self.key, end=end, start=-300, ca=ca)
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate("", key, intermediate, middle_key, uri=uri)
        return {"key.pem": key_pem(key), "cert-chain.pem": pem(leaf) + pem(middle), "root-cert.pem": pem(self.root)}


@functools.cache
def authority(name: str = "k8s.cluster.local") -> Authority:
    return Authority(name)


def secret(
    files: t.Mapping[str, bytes], service_account: str = "default", namespace: str = "default"
) -> dict[str, t.Any]:
    """The Secret that Citadel would keep them in."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "istio.io/key-and-cert",
        "metadata": {"name": f"istio.{service_account}", "namespace": namespace},
        "data": {name: base64.b64encode(content).decode() for name, content in files.items()},
    }
