# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.identity import certificates as ident
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.plugins import mesh_pki as pki

OWNER = ("istio-proxy", "istio-proxy")
WHERE = "Secret default/istio.default"


def parsed(files: dict[str, bytes]) -> ident.Identity:
    return ident.parse_secret(pki.secret(files)["data"], WHERE)


def on_vm(files: dict[str, bytes], key_matches: bool | None = True, **changes: t.Any) -> dict[str, t.Any]:
    report = {
        name: {"exists": True, "owner": "istio-proxy", "group": "istio-proxy", "mode": mode}
        for name, mode in ident.FILE_MODES.items()
    }
    for name, change in changes.items():
        report[{"key": "key.pem", "chain": "cert-chain.pem", "root": "root-cert.pem"}[name]].update(change)
    return {
        "directory": {"exists": True, "owner": "istio-proxy", "group": "istio-proxy", "mode": "0755"},
        "files": report,
        "chain": files["cert-chain.pem"].decode(),
        "root": files["root-cert.pem"].decode(),
        "key_matches": key_matches,
    }


def decide(vm: dict[str, t.Any], wanted: dict[str, bytes], spare: int = 0) -> ident.Decision:
    summary = ident.summarise(wanted["cert-chain.pem"], wanted["root-cert.pem"], WHERE)
    return ident.plan(vm, summary, pki.SPIFFE, pki.NOW, OWNER, spare)


def test_names() -> None:
    assert ident.secret_name("billing") == "istio.billing"
    assert ident.spiffe_id("td", "shop", "billing") == "spiffe://td/ns/shop/sa/billing"


@pytest.mark.parametrize("missing", sorted(ident.FILE_MODES))
def test_parse_secret_names_the_missing_key(missing: str) -> None:
    data = pki.secret(pki.authority().issue())["data"]
    del data[missing]
    with pytest.raises(ident.IdentityError, match=f"{WHERE} has no {missing}: delete the Secret"):
        ident.parse_secret(data, WHERE)


def test_parse_secret_refuses_what_is_not_base64() -> None:
    data = pki.secret(pki.authority().issue())["data"]
    data["key.pem"] = "%%%"
    with pytest.raises(ident.IdentityError, match="key.pem is not base64"):
        ident.parse_secret(data, WHERE)


def test_parse_secret_refuses_another_type() -> None:
    with pytest.raises(ident.IdentityError, match="has type 'Opaque'"):
        ident.parse_secret(pki.secret(pki.authority().issue())["data"], WHERE, "Opaque")


def test_validate_accepts_a_good_identity() -> None:
    files = pki.authority().issue()
    summary = ident.validate(parsed(files), pki.SPIFFE, pki.NOW, WHERE)
    shown = summary.as_dict()
    assert shown["identity"] == pki.SPIFFE
    assert len(shown["fingerprint"]) == 64
    assert shown["not_after"] == (pki.NOW + datetime.timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_validate_accepts_an_intermediate() -> None:
    ident.validate(parsed(pki.authority().issue_through("middle")), pki.SPIFFE, pki.NOW, WHERE)


def _swap(name: str, other: dict[str, bytes]) -> dict[str, bytes]:
    return {**pki.authority().issue(), name: other[name]}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (lambda: _swap("key.pem", pki.authority().issue()), "key.pem does not match the certificate"),
        (
            lambda: {
                **pki.authority().issue(),
                "key.pem": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            },
            "not a readable",
        ),
        (lambda: {**pki.authority().issue(), "cert-chain.pem": b"nonsense"}, "cert-chain.pem holds no readable PEM"),
        (lambda: _swap("root-cert.pem", pki.authority("other").issue()), "does not lead to the root"),
        (
            lambda: pki.authority().issue(uri="spiffe://cluster.local/ns/x/sa/default"),
            "it is for spiffe://cluster.local/ns/x/sa/default",
        ),
        (lambda: pki.authority().issue(uri=""), "it is for no SPIFFE identity"),
        (lambda: pki.authority().issue(start=-90, end=-1), "it expired at"),
        (lambda: pki.authority().issue(start=1), "not valid before .*check the clock"),
        (lambda: pki.authority().issue_through("middle", ca=False), "does not lead to the root"),
        (lambda: pki.authority().issue_through("middle", end=-1), "issuing certificate 'O=middle' is not valid at"),
    ],
)
def test_validate_refuses(files: t.Callable[[], dict[str, bytes]], words: str) -> None:
    made = files()
    with pytest.raises(ident.IdentityError, match=words) as caught:
        ident.validate(parsed(made), pki.SPIFFE, pki.NOW, WHERE)
    text = str(caught.value)
    assert WHERE in text
    assert not any(line in text for line in made["key.pem"].decode().splitlines()[1:-1])


def test_a_forged_root_of_the_same_name_is_refused() -> None:
    forged = pki.Authority("k8s.cluster.local").issue()
    with pytest.raises(ident.IdentityError, match="does not lead to the root"):
        ident.validate(parsed(_swap("root-cert.pem", forged)), pki.SPIFFE, pki.NOW, WHERE)


def test_repr_shows_no_key() -> None:
    identity = parsed(pki.authority().issue())
    assert "PRIVATE" not in repr(identity)
    assert repr(identity) == "Identity()"


def test_the_same_certificate_stays() -> None:
    files = pki.authority().issue()
    decision = decide(on_vm(files), files)
    assert (decision.action, decision.reason) == ("keep", "the VM has the Secret's certificate")


def test_a_rotated_certificate_stays() -> None:
    decision = decide(on_vm(pki.authority().issue()), pki.authority().issue())
    assert decision.action == "keep"
    assert "rotated" in decision.reason


@pytest.mark.parametrize(
    ("vm", "words"),
    [
        (lambda: on_vm(pki.authority().issue(start=-90, end=-1)), "expired at"),
        (lambda: on_vm(pki.authority().issue(start=1)), "not valid before"),
        (lambda: on_vm(pki.authority("other").issue()), "its root is"),
        (lambda: on_vm(pki.authority().issue(uri="spiffe://cluster.local/ns/default/sa/other")), "sa/other, expected"),
        (lambda: on_vm(pki.authority().issue(), key_matches=False), "does not match"),
        (lambda: on_vm(pki.authority().issue(), key={"exists": False}, key_matches=None), "key.pem missing"),
        (lambda: on_vm({**pki.authority().issue(), "cert-chain.pem": b"garbage"}), "no readable PEM"),
        (lambda: on_vm(_swap("cert-chain.pem", pki.authority("other").issue())), "does not lead to the root"),
    ],
)
def test_what_is_not_usable_is_replaced(vm: t.Callable[[], dict[str, t.Any]], words: str) -> None:
    decision = decide(vm(), pki.authority().issue())
    assert decision.action == "deliver"
    assert words in decision.reason
    assert set(decision.files) == {"key.pem", "cert-chain.pem", "root-cert.pem"}


def test_a_certificate_about_to_expire_is_replaced() -> None:
    vm = on_vm(pki.authority().issue(start=-30, end=1))
    assert decide(vm, pki.authority().issue(), spare=3600).action == "keep"
    decision = decide(vm, pki.authority().issue(), spare=2 * 86400)
    assert decision.action == "deliver"
    assert "within 172800 s" in decision.reason
    # Good for two days in all: half a day is near its end, and no more than that.
    short = on_vm(pki.authority().issue(start=-1, end=1))
    assert decide(short, pki.authority().issue(), spare=2 * 86400).action == "keep"


def test_only_a_wrong_mode_is_put_right() -> None:
    files = pki.authority().issue()
    decision = decide(on_vm(files, key={"mode": "0644"}), files)
    assert (decision.action, decision.attributes, decision.files) == ("attributes", ("key.pem",), ())


def test_only_a_wrong_directory_owner_is_put_right() -> None:
    files = pki.authority().issue()
    vm = on_vm(files)
    vm["directory"]["owner"] = "root"
    decision = decide(vm, files)
    assert (decision.action, decision.attributes) == ("attributes", (".",))


def test_an_issuer_that_loops_ends() -> None:
    # Two certificates that issued each other must not be followed for ever.
    key_a, key_b = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    a = pki.certificate("a", key_a, "b", key_b, ca=True)
    b = pki.certificate("b", key_b, "a", key_a, ca=True)
    leaf_key = ec.generate_private_key(ec.SECP256R1())
    chain = b"".join(pki.pem(item) for item in (pki.certificate("", leaf_key, "a", key_a, uri=pki.SPIFFE), a, b))
    problem = ident.chain_problem(chain, pki.pem(pki.authority().root), pki.NOW, WHERE)
    assert problem is not None
    assert "does not lead" in problem
