# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap import trust
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.bootstrap.errors import BootstrapError
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.unit.plugins import mesh_pki as pki

Files = dict[str, bytes]
OLD = pki.authority("old")
NEW = pki.Authority("new")
# Made after the old one.
NEW.root = pki.certificate("new", NEW.key, "new", NEW.key, start=0, ca=True)


def roots(*authorities: pki.Authority) -> str:
    return "".join(pki.pem(one.root).decode() for one in authorities)


def on_vm(files: Files, root: str | None = None, key_matches: bool = True, missing: t.Sequence[str] = ()) -> t.Any:
    text = files["root-cert.pem"].decode() if root is None else root
    names = ("root-cert.pem", "cert-chain.pem", "key.pem")
    exists = {name: {"exists": name not in missing and (name != "root-cert.pem" or bool(text))} for name in names}
    return {"files": exists, "chain": files["cert-chain.pem"].decode(), "root": text, "key_matches": key_matches}


def certificate(seen: t.Any, wanted: str = "", spare: int = 0) -> trust.Certificate:
    return trust.judge_certificate(seen, wanted or roots(OLD), pki.SPIFFE, pki.NOW, spare)


def judged(seen: t.Any, wanted: str, replace: bool = False) -> trust.Roots:
    return trust.judge_roots(seen, certificate(seen, wanted), wanted, pki.NOW, replace)


def test_a_valid_certificate_serves() -> None:
    found = certificate(on_vm(OLD.issue()))
    assert (found.fault, found.in_the_way) == ("", False)
    assert found.summary is not None
    assert found.summary.spiffe_ids == (pki.SPIFFE,)


def test_a_valid_certificate_without_its_roots_is_held_against_the_mesh_s() -> None:
    assert certificate(on_vm(OLD.issue(), root="")).fault == ""
    assert certificate(on_vm(OLD.issue(), root="no PEM")).fault == ""
    assert "does not lead to the root" in certificate(on_vm(OLD.issue(), root=""), roots(NEW)).fault


@pytest.mark.parametrize(
    ("seen", "words", "in_the_way"),
    [
        (on_vm(OLD.issue(), missing=["key.pem"]), "key.pem missing on the VM", False),
        (on_vm(OLD.issue(), missing=["key.pem", "cert-chain.pem"]), "cert-chain.pem and key.pem missing", False),
        (on_vm(OLD.issue(), key_matches=False), "the key on the VM does not match its certificate", True),
        (on_vm({**OLD.issue(), "cert-chain.pem": b"x"}), "holds no readable PEM certificate", True),
        (on_vm(OLD.issue(uri="spiffe://cluster.local/ns/shop/sa/x")), "expected " + pki.SPIFFE, True),
        (on_vm(OLD.issue(), root=roots(NEW)), "does not lead to the root certificate", True),
        (on_vm(OLD.issue(start=-90, end=-1)), "it expired at", False),
    ],
)
def test_certificates_that_do_not_serve(seen: t.Any, words: str, in_the_way: bool) -> None:
    found = certificate(seen)
    assert words in found.fault
    assert found.in_the_way is in_the_way


def test_one_that_is_about_to_expire_does_not_serve() -> None:
    seen = on_vm(OLD.issue(start=-30, end=1))
    assert certificate(seen, spare=3600).fault == ""
    assert "within 90000 s" in certificate(seen, spare=90000).fault


def test_the_same_roots_stay_whatever_their_order() -> None:
    seen = on_vm(OLD.issue(), root=roots(NEW, OLD))
    assert judged(seen, roots(OLD, NEW)) == trust.Roots(False, "the VM has the mesh's root certificates")


@pytest.mark.parametrize(
    "seen",
    [
        on_vm(OLD.issue(), root=""),
        on_vm(OLD.issue(start=-90, end=-1), root=roots(OLD)),
        on_vm(OLD.issue(), key_matches=False),
    ],
)
def test_roots_come_to_a_vm_that_has_nothing_to_lose(seen: t.Any) -> None:
    found = judged(seen, roots(OLD, NEW))
    assert (found.write, found.replaced) == (True, False)


@pytest.mark.parametrize(
    ("issuer", "there", "wanted", "write"),
    [
        # A root is replaced in steps: both, the new one signs, the new one alone.
        (OLD, roots(OLD), roots(OLD, NEW), True),
        (NEW, roots(OLD, NEW), roots(NEW), True),
        # The agent was told of the new root before the ConfigMap of the namespace was.
        (OLD, roots(OLD, NEW), roots(OLD), False),
    ],
)
def test_steps_of_a_rotation(issuer: pki.Authority, there: str, wanted: str, write: bool) -> None:
    found = judged(on_vm(issuer.issue(), root=there), wanted)
    assert (found.write, found.replaced) == (write, False)
    if not write:
        assert "which is newer than the mesh's roots" in found.reason


def test_a_valid_certificate_is_not_cut_off_unasked() -> None:
    seen = on_vm(OLD.issue())
    there, wanted = (one.root.fingerprint(hashes.SHA256()).hex()[:16] for one in (OLD, NEW))
    with pytest.raises(BootstrapError) as caught:
        judged(seen, roots(NEW))
    assert f"valid certificate of the root {there}, and the mesh's roots are {wanted}" in str(caught.value)
    assert "set replace_root to true" in str(caught.value)
    found = judged(seen, roots(NEW), replace=True)
    assert (found.write, found.replaced) == (True, True)


def test_the_mesh_s_roots_must_be_readable() -> None:
    fingerprints = trust.check_roots(roots(OLD, NEW), "ConfigMap x")
    assert fingerprints == tuple(
        sorted(x509.load_pem_x509_certificate(pki.pem(a.root)).fingerprint(hashes.SHA256()).hex() for a in (OLD, NEW))
    )
    with pytest.raises(BootstrapError, match="ConfigMap x holds no readable PEM certificate. See whether istiod runs"):
        trust.check_roots("nothing", "ConfigMap x")
