# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM's identity ends, and when: for people as warnings, for Prometheus as metrics. Pure.

Runs on the control node, where there is C(cryptography). Private to the collection.
"""

from __future__ import annotations

import datetime
import typing as t

from ..identity import certificates as ident
from .exposition import Metric

CERTIFICATE, ISSUER, ROOT, TOKEN = "certificate", "issuer", "root", "token"
_NAMES = {CERTIFICATE: "the VM's certificate", ISSUER: "the signing certificate", ROOT: "the mesh's root certificate"}
_REMEDIES = {
    CERTIFICATE: "it should have been renewed: see whether the sidecar reaches the control plane",
    ISSUER: "no certificate that it signs is good for longer: give the control plane a new one",
    ROOT: "rotate it (playbook mesh.expansion.rotate)",
}
_END = "mesh_expansion_certificate_expiry_timestamp_seconds"
_START = "mesh_expansion_certificate_start_timestamp_seconds"
_TOKEN_END = "mesh_expansion_token_expiry_timestamp_seconds"


class Dated(t.NamedTuple):
    """One thing that ends."""

    kind: str
    name: str
    end: datetime.datetime
    start: datetime.datetime
    fingerprint: str = ""
    # Whether the VM's certificate is of it.
    used: bool = True

    def due(self, now: datetime.datetime, days: int) -> bool:
        """Whether it ends before long: within these days, and of a short life in its last quarter, for what renews
        itself does so at half of it."""
        return self.end - now < min(datetime.timedelta(days=days), (self.end - self.start) / 4)


def dated(vm: t.Mapping[str, t.Any]) -> list[Dated]:
    """From what was seen on a VM (M(mesh.expansion.verify_vm)); of what is missing or not readable others tell."""
    if "identity" not in vm:
        return []
    return [*_certificates(vm["identity"]), *_token((vm.get("bootstrap") or {}).get("token") or {})]


def _certificates(seen: t.Mapping[str, t.Any]) -> t.Iterator[Dated]:
    chain, roots = _readable(seen["chain"]), _readable(seen["root"])
    anchors = {ident.fingerprint(item) for item in roots}
    path = [item for item in ident.issuers(chain[0], chain[1:], roots) if item is not None] if chain else []
    used = {ident.fingerprint(item) for item in path}
    for leaf in chain[:1]:
        yield _dated(CERTIFICATE, leaf, ", ".join(ident.uris(leaf)))
    yield from (_dated(ISSUER, item) for item in path if ident.fingerprint(item) not in anchors)
    yield from (_dated(ROOT, item)._replace(used=ident.fingerprint(item) in used) for item in roots)


def _readable(pem: str) -> list[t.Any]:
    try:
        return ident.load_certificates(pem.encode(), "")
    except ident.IdentityError:
        return []


def _dated(kind: str, certificate: t.Any, name: str = "") -> Dated:
    return Dated(
        kind,
        name or certificate.subject.rfc4514_string(),
        ident.utc(certificate, "not_valid_after"),
        ident.utc(certificate, "not_valid_before"),
        ident.fingerprint(certificate),
    )


def _token(seen: t.Mapping[str, t.Any]) -> t.Iterator[Dated]:
    claims = seen.get("claims")
    if claims:
        end = datetime.datetime.fromtimestamp(int(claims["exp"]), datetime.timezone.utc)
        yield Dated(TOKEN, str(claims["sub"]), end, end)


def warnings(found: t.Sequence[Dated], now: datetime.datetime, days: int) -> list[str]:
    """A token counts only where the certificate by which a VM does without one is about to end."""
    said = []
    tokens = [item for item in found if item.kind == TOKEN]
    for item in found:
        if item.kind == TOKEN or not item.used or not item.due(now, days):
            continue
        ends = f"{'expires' if item.end > now else 'expired'} at {item.end:%Y-%m-%dT%H:%M:%SZ}"
        said.append(f"{_NAMES[item.kind]} {item.name} {ends}: {_REMEDIES[item.kind]}")
        if item.kind == CERTIFICATE and tokens and all(token.end <= now for token in tokens):
            said.append(
                "the token on the VM has expired, so that without a certificate only the playbook "
                "mesh.expansion.rejoin brings it back"
            )
    return said


def metrics(found: t.Sequence[Dated]) -> list[Metric]:
    """When all of it ends."""
    certificates = [item for item in found if item.kind != TOKEN]
    tokens = [item for item in found if item.kind == TOKEN]
    return [
        Metric(
            _END,
            "When a certificate on this host ends.",
            [(_labels(item), item.end.timestamp()) for item in certificates],
        ),
        Metric(_START, "Since when it is valid.", [(_labels(item), item.start.timestamp()) for item in certificates]),
        Metric(
            _TOKEN_END,
            "When the token with which this host asks for its first certificate ends.",
            [({"name": item.name}, item.end.timestamp()) for item in tokens],
        ),
    ]


def _labels(item: Dated) -> dict[str, str]:
    """The host's own certificate is one at a time; a label that came and went with it would make new series."""
    labels = {"kind": item.kind, "name": item.name}
    return labels if item.kind == CERTIFICATE else {**labels, "fingerprint": item.fingerprint[:16]}
