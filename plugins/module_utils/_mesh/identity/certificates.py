# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""The identity of a workload as Citadel keeps it in the Secret C(istio.<service account>).

Parsing, validation, and the decision whether the certificate on a VM stays. Pure: no I/O. Runs on the control node
only, where Ansible itself brings C(cryptography); private keys stay in memory and never appear in an error or a
summary.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization

    HAS_CRYPTOGRAPHY = True
except ImportError:  # pragma: no cover
    HAS_CRYPTOGRAPHY = False

KEY, CHAIN, ROOT = "key.pem", "cert-chain.pem", "root-cert.pem"
FILE_MODES = {ROOT: "0644", CHAIN: "0644", KEY: "0600"}
SECRET_TYPE = "istio.io/key-and-cert"


class IdentityError(Exception):
    """An identity that cannot be used; the message names the object, the fault and what to do."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """Key, certificate chain and root of one service account."""

    key: bytes = dataclasses.field(repr=False)
    chain: bytes = dataclasses.field(repr=False)
    root: bytes = dataclasses.field(repr=False)

    def content(self, name: str) -> bytes:
        return {KEY: self.key, CHAIN: self.chain, ROOT: self.root}[name]


@dataclasses.dataclass(frozen=True)
class Summary:
    """What may be shown of a certificate and its root."""

    fingerprint: str
    serial: str
    spiffe_ids: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    root_fingerprints: tuple[str, ...]

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "fingerprint": self.fingerprint,
            "serial": self.serial,
            "identity": ", ".join(self.spiffe_ids),
            "not_before": self.not_before.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "not_after": self.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "root_fingerprints": list(self.root_fingerprints),
        }


@dataclasses.dataclass(frozen=True)
class Decision:
    """What happens to the files of a VM, and why."""

    action: str  # keep, attributes, deliver
    reason: str
    files: tuple[str, ...] = ()  # whose content is delivered
    attributes: tuple[str, ...] = ()  # whose owner or mode alone is put right


def secret_name(service_account: str) -> str:
    return f"istio.{service_account}"


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> str:
    return f"spiffe://{trust_domain}/ns/{namespace}/sa/{service_account}"


def parse_secret(data: t.Mapping[str, str] | None, where: str, kind: str = SECRET_TYPE) -> Identity:
    """Decode the data of a Secret; `where` is its name in messages."""
    if kind != SECRET_TYPE:
        raise IdentityError(
            f"{where} has type {kind!r}, not {SECRET_TYPE!r}: it was not made by Citadel; name another service account"
        )
    decoded = {}
    for name in (KEY, CHAIN, ROOT):
        value = (data or {}).get(name)
        if not value:
            raise IdentityError(f"{where} has no {name}: delete the Secret so that Citadel makes it anew")
        try:
            decoded[name] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise IdentityError(
                f"{where}: {name} is not base64: delete the Secret so that Citadel makes it anew"
            ) from None
    return Identity(key=decoded[KEY], chain=decoded[CHAIN], root=decoded[ROOT])


def load_certificates(pem: bytes, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise IdentityError(f"{what} holds no readable PEM certificate") from None


def utc(certificate: x509.Certificate, name: str) -> datetime.datetime:
    # The aware properties came with cryptography 42; before, the naive ones mean UTC.
    value = getattr(certificate, f"{name}_utc", None)
    return value if value is not None else getattr(certificate, name).replace(tzinfo=datetime.timezone.utc)


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def uris(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(names.get_values_for_type(x509.UniformResourceIdentifier))


def summarise(chain: bytes, root: bytes, what: str) -> Summary:
    """Read a chain and its root; the first certificate of the chain is the workload's."""
    leaf = load_certificates(chain, f"{what}: {CHAIN}")[0]
    roots = load_certificates(root, f"{what}: {ROOT}")
    return Summary(
        fingerprint=fingerprint(leaf),
        serial=format(leaf.serial_number, "x"),
        spiffe_ids=uris(leaf),
        not_before=utc(leaf, "not_valid_before"),
        not_after=utc(leaf, "not_valid_after"),
        root_fingerprints=tuple(sorted(fingerprint(item) for item in roots)),
    )


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return _may_issue(issuer)


def issuers(
    leaf: x509.Certificate, intermediates: t.Sequence[x509.Certificate], roots: t.Sequence[x509.Certificate]
) -> t.Iterator[x509.Certificate | None]:
    """From a certificate upwards who has issued, a root at last; or None at last, where nobody of these has."""
    current, candidates = leaf, list(intermediates)
    while True:
        anchor = next((item for item in roots if _issued(current, item)), None)
        issuer = anchor or next((item for item in candidates if _issued(current, item)), None)
        yield issuer
        if issuer is None or anchor is not None:
            return
        candidates.remove(issuer)
        current = issuer


def chain_problem(chain: bytes, root: bytes, now: datetime.datetime, what: str) -> str | None:
    """Why the chain does not lead to one of the roots, or None; the leaf's own dates are looked at elsewhere."""
    leaf, *intermediates = load_certificates(chain, f"{what}: {CHAIN}")
    roots = load_certificates(root, f"{what}: {ROOT}")
    current = leaf
    for issuer in issuers(leaf, intermediates, roots):
        if issuer is None:
            return (
                "its chain does not lead to the root certificate (nothing issued "
                f"{current.subject.rfc4514_string() or 'the leaf'})"
            )
        if not utc(issuer, "not_valid_before") <= now <= utc(issuer, "not_valid_after"):
            return (
                f"the issuing certificate {issuer.subject.rfc4514_string()!r} is not valid at {now:%Y-%m-%dT%H:%M:%SZ}"
            )
        current = issuer
    return None


def identity_problem(summary: Summary, expected: str) -> str | None:
    if summary.spiffe_ids != (expected,):
        return f"it is for {', '.join(summary.spiffe_ids) or 'no SPIFFE identity'}, expected {expected}"
    return None


def date_problem(summary: Summary, now: datetime.datetime, spare: int = 0) -> str | None:
    """Of a short life at most a quarter is spare: what renews itself does so at half of it."""
    spare = min(spare, int((summary.not_after - summary.not_before).total_seconds()) // 4)
    if now < summary.not_before:
        return f"it is not valid before {summary.not_before:%Y-%m-%dT%H:%M:%SZ} (check the clock)"
    if now >= summary.not_after:
        return f"it expired at {summary.not_after:%Y-%m-%dT%H:%M:%SZ}"
    if now + datetime.timedelta(seconds=spare) >= summary.not_after:
        return f"it expires at {summary.not_after:%Y-%m-%dT%H:%M:%SZ}, within {spare} s"
    return None


def _public_bytes(key: t.Any) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


_AGAIN = "delete the Secret so that Citadel makes it anew"


def _private_key(identity: Identity, where: str, proved: bool) -> t.Any:
    """To prove that an RSA key is sound takes a quarter of a second of the control node."""
    try:
        return serialization.load_pem_private_key(identity.key, None, unsafe_skip_rsa_key_validation=not proved)
    except (ValueError, TypeError):
        # The library's own words are left out: nothing derived from the key goes into a message.
        raise IdentityError(f"{where}: {KEY} is not a readable private key: {_AGAIN}") from None


def prove_key(identity: Identity, where: str) -> None:
    """What is about to be delivered must hold in itself, not only fit its certificate."""
    _private_key(identity, where, proved=True)


def validate(identity: Identity, expected: str, now: datetime.datetime, where: str) -> Summary:
    """Check an identity from the cluster before it goes anywhere; raise IdentityError with the first fault."""
    summary = summarise(identity.chain, identity.root, where)
    key = _private_key(identity, where, proved=False)
    if _public_bytes(key.public_key()) != _public_bytes(load_certificates(identity.chain, where)[0].public_key()):
        raise IdentityError(
            f"{where}: {KEY} does not match the certificate {summary.fingerprint[:16]} in {CHAIN}: {_AGAIN}"
        )
    problem = identity_problem(summary, expected)
    if problem:
        raise IdentityError(
            f"{where}: {CHAIN} is not usable: {problem}: check trust domain, namespace and service account"
        )
    problem = date_problem(summary, now) or chain_problem(identity.chain, identity.root, now, where)
    if problem:
        raise IdentityError(f"{where}: {CHAIN} is not usable: {problem}: {_AGAIN}")
    return summary


def _replace_reason(
    actual: t.Mapping[str, t.Any], wanted: Summary, expected: str, now: datetime.datetime, spare: int
) -> str | None:
    """Why what the VM has must be replaced, or None."""
    missing = [name for name in FILE_MODES if not actual["files"][name]["exists"]]
    if missing:
        return f"{', '.join(missing)} missing on the VM"
    if actual["key_matches"] is not True:
        return "the key on the VM does not match its certificate"
    chain, root = actual["chain"].encode(), actual["root"].encode()
    try:
        found = summarise(chain, root, "the VM")
        problem = identity_problem(found, expected)
        if problem is None and found.root_fingerprints != wanted.root_fingerprints:
            problem = f"its root is {found.root_fingerprints[0][:16]}, the mesh's is {wanted.root_fingerprints[0][:16]}"
        problem = problem or date_problem(found, now, spare) or chain_problem(chain, root, now, "the VM")
    except IdentityError as exc:
        return str(exc)
    return f"the certificate on the VM is replaced: {problem}" if problem else None


def _attributes(file: t.Mapping[str, t.Any]) -> tuple[str, str, str]:
    return file["owner"], file["group"], file["mode"]


def plan(
    actual: t.Mapping[str, t.Any],
    wanted: Summary,
    expected: str,
    now: datetime.datetime,
    owner: tuple[str, str],
    spare: int = 0,
) -> Decision:
    """Decide between what the VM has and what the Secret holds.

    A valid certificate of the same identity and root stays, also when it is not the Secret's:
    node_agent has rotated it.
    """
    reason = _replace_reason(actual, wanted, expected, now, spare)
    if reason:
        return Decision("deliver", reason, files=tuple(FILE_MODES))
    same = summarise(actual["chain"].encode(), actual["root"].encode(), "the VM").fingerprint == wanted.fingerprint
    what = "the VM has the Secret's certificate" if same else "the VM has a valid certificate that node_agent rotated"
    wrong = tuple(name for name, mode in FILE_MODES.items() if _attributes(actual["files"][name]) != (*owner, mode))
    directory = actual["directory"]
    if (directory["owner"], directory["group"]) != owner:
        wrong += (".",)
    if wrong:
        return Decision(
            "attributes", f"{what}; owner or mode of {', '.join(wrong)} is not as it should be", attributes=wrong
        )
    return Decision("keep", what)
