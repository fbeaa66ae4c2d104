# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the lab's Kubernetes: one CA, what it signs, and the service account key."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import certificates

LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)
CLOCK_SKEW = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Subject:
    """One certificate to issue: file name, identity (user and groups) and, for servers, the names served."""

    file: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    client: bool = True


@dataclass(frozen=True)
class Pki:
    """Where the files are. `cert`, `key` take a Subject's file name."""

    directory: Path
    subjects: tuple[Subject, ...] = field(default=(), repr=False)

    def cert(self, file: str) -> Path:
        return self.directory / f"{file}.crt"

    def key(self, file: str) -> Path:
        return self.directory / f"{file}.key"

    @property
    def ca(self) -> Path:
        return self.cert("ca")


def standard_subjects(server_names: Sequence[str], kubelet_names: Sequence[str]) -> tuple[Subject, ...]:
    """Every identity of the lab's cluster."""
    return (
        Subject("apiserver", "kube-apiserver", names=tuple(server_names), client=False),
        Subject("kubelet", "system:node-endpoint", names=tuple(kubelet_names), client=False),
        Subject("kubelet-client", "kube-apiserver-kubelet-client"),
        Subject("admin", "admin", ("system:masters",)),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("kube-proxy", "system:kube-proxy"),
        Subject("pod-runner", "mesh-lab:pod-runner"),
        Subject("mesh-operator", "mesh-operator"),
        Subject("mesh-viewer", "mesh-viewer"),
    )


def ensure(directory: Path, subjects: Iterable[Subject], now: dt.datetime | None = None) -> Pki:
    """Return the PKI in `directory`, made anew when subjects changed, a file is missing, or the end is near."""
    subjects = tuple(subjects)
    now = now or dt.datetime.now(dt.UTC)
    pki = Pki(directory, subjects)
    if not _is_current(pki, now):
        _create(pki, now)
    return pki


def _fingerprint(subjects: Sequence[Subject]) -> str:
    text = json.dumps([(s.file, s.common_name, s.organizations, s.names, s.client) for s in subjects])
    return hashlib.sha256(text.encode()).hexdigest()


def _is_current(pki: Pki, now: dt.datetime) -> bool:
    stamp = pki.directory / "subjects.sha256"
    if not stamp.is_file() or stamp.read_text() != _fingerprint(pki.subjects):
        return False
    wanted = [p for s in pki.subjects for p in (pki.cert(s.file), pki.key(s.file))]
    wanted += [pki.ca, pki.key("sa"), pki.directory / "sa.pub"]
    if not all(p.is_file() for p in wanted):
        return False
    ca = x509.load_pem_x509_certificate(pki.ca.read_bytes())
    return ca.not_valid_after_utc - RENEW_BEFORE > now


def _create(pki: Pki, now: dt.datetime) -> None:
    pki.directory.mkdir(parents=True, exist_ok=True)
    pki.directory.chmod(0o700)
    stamp = pki.directory / "subjects.sha256"
    stamp.unlink(missing_ok=True)  # a crash half-way leaves no stamp, so the next run starts over
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mesh-lab-kubernetes-ca")])
    start, end = now - CLOCK_SKEW, now + LIFETIME
    draft = certificates.builder(ca_name, ca_name, ca_key.public_key(), start, end)
    ca_cert = certificates.with_role(
        draft, ca_key.public_key(), "digital_signature", "key_cert_sign", "crl_sign", path_length=0
    ).sign(ca_key, hashes.SHA256())
    _write_cert(pki.ca, ca_cert)
    for subject in pki.subjects:
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(pki.key(subject.file), key)
        _write_cert(pki.cert(subject.file), _issue(subject, key, ca_name, ca_key, now))
    sa_key = ec.generate_private_key(ec.SECP256R1())
    _write_key(pki.key("sa"), sa_key)
    (pki.directory / "sa.pub").write_bytes(
        sa_key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    stamp.write_text(_fingerprint(pki.subjects))


def _issue(
    subject: Subject,
    key: ec.EllipticCurvePrivateKey,
    ca_name: x509.Name,
    ca_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> x509.Certificate:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in subject.organizations]
    attributes.append(x509.NameAttribute(NameOID.COMMON_NAME, subject.common_name))
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if subject.client else ExtendedKeyUsageOID.SERVER_AUTH
    draft = certificates.builder(x509.Name(attributes), ca_name, key.public_key(), now - CLOCK_SKEW, now + LIFETIME)
    builder = certificates.with_role(draft, ca_key.public_key(), "digital_signature").add_extension(
        x509.ExtendedKeyUsage([usage]), critical=False
    )
    if subject.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(n) for n in subject.names]), critical=False
        )
    return builder.sign(ca_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_cert(path: Path, cert: x509.Certificate) -> None:
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
        handle.write(data)
