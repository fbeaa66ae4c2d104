# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of a VM whose certificate is signed for a token: what istio_vm_bootstrap says in check mode."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.istiod import ISTIOD
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import VM

GOOD = {"problems": [], "good": "fine", "unchecked": ""}
CHECKS = {text.check: GOOD for text in ISTIOD.rows if text.scope == VM and text.check not in ("bootstrap", "identity")}
FILES = {name: {"exists": True, "owner": "istio-proxy", "mode": "0600"} for name in ("key.pem", "cert-chain.pem")}
TOKEN = {"exists": True, "owner": "istio-proxy", "group": "istio-proxy", "mode": "0600"}
SAID: dict[str, Any] = {
    "files": [{"path": "/etc/certs", "kind": "directory"}, {"path": "/etc/hosts", "kind": "file"}],
    "outdated": [],
    "token": {"action": "none"},
    "reasons": ["the VM has the mesh's root certificates", "the VM has a valid certificate"],
    "certificate": {"identity": "spiffe://cluster.local/ns/default/sa/web", "not_after": "2027-01-01T00:00:00Z"},
    "host": "istiod.istio-system.svc",
    "actual": {"token": TOKEN, "identity": {"files": FILES}},
}


def details(**changes: Any) -> dict[str, tuple[str, str]]:
    identities = {"web1": {**SAID, **changes} if changes.get("msg") is None else changes}
    found = rows.rows(ISTIOD, {"checks": [], "names": {}}, {}, {"web1": {"checks": CHECKS}}, identities, "")
    assert [row.row for row in found] == [text.id for text in ISTIOD.rows if text.scope == VM]
    return {row.row: (row.state, row.detail) for row in found if row.row in ("I5", "I8")}


def test_all_is_well() -> None:
    assert details() == {
        "I5": ("ok", "/etc/hosts; istiod.istio-system.svc is the control plane"),
        "I8": ("ok", "spiffe://cluster.local/ns/default/sa/web valid until 2027-01-01T00:00:00Z"),
    }


def test_files_that_are_not_as_the_cluster_says() -> None:
    assert details(outdated=["/etc/hosts"])["I5"] == (
        "FAILED",
        "/etc/hosts is not what the cluster and the inventory say",
    )


def test_what_others_may_read() -> None:
    actual = {
        "token": {**TOKEN, "mode": "0640"},
        "identity": {"files": {**FILES, "key.pem": {**FILES["key.pem"], "mode": "0644"}}},
    }
    found = details(actual=actual)
    assert "the token has the mode 0640: others than istio-proxy may read it" in found["I5"][1]
    assert "the key has the mode 0644" in found["I8"][1]
    missing = {"exists": False, "owner": None, "group": None, "mode": None}
    gone = {"token": missing, "identity": {"files": {**FILES, "key.pem": missing}}}
    assert {state for state, _detail in details(actual=gone).values()} == {"ok"}


@pytest.mark.parametrize("action", ["request", "present"])
def test_a_vm_that_needs_a_token_has_no_certificate(action: str) -> None:
    reasons = [SAID["reasons"][0], "the certificate on the VM does not serve: it expired at x"]
    found = details(token={"action": action}, reasons=reasons)
    assert found["I8"] == ("FAILED", "the certificate on the VM does not serve: it expired at x")
    assert found["I5"][0] == "ok"


def test_what_could_not_be_told_fails_both() -> None:
    group = "WorkloadGroup web in namespace default does not exist"
    without = {"files": [], "outdated": [], "token": {"action": "request"}, "reasons": [group]}
    assert set(details(msg="x", **without).values()) == {("FAILED", group)}
    assert set(details(msg="API is down").values()) == {("FAILED", "API is down")}
    found = rows.rows(ISTIOD, {"checks": [], "names": {}}, {}, {"web1": {"checks": CHECKS}}, {}, "")
    assert {row.row for row in found if not row.ok} == {"I5", "I8"}
