# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a VM's identity ends when: warnings for people, metrics for Prometheus."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.filter.verify_rows import verify_rows
from ansible_collections.mesh.expansion.plugins.filter.verify_textfile import verify_textfile
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import expiry

from tests.unit.plugins.mesh_pki import NOW, SPIFFE, Authority, authority, pem

DAYS = 30


def vm(files: Mapping[str, bytes], token: datetime.datetime | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "identity": {"chain": files["cert-chain.pem"].decode(), "root": files["root-cert.pem"].decode()}
    }
    if token:
        found["bootstrap"] = {"token": {"exists": True, "claims": {"exp": int(token.timestamp()), "sub": "web"}}}
    return found


def after(days: float) -> datetime.datetime:
    return NOW + datetime.timedelta(days=days)


def warned(seen: Mapping[str, Any], days: float = 0) -> list[str]:
    """A number of days from now."""
    return expiry.warnings(expiry.dated(seen), after(days), DAYS)


@pytest.mark.parametrize(
    ("start", "end", "now", "expected"),
    [
        # Good for half a year: the days count.
        (0, 180, 149.9, False),
        (0, 180, 150.1, True),
        # Good for a day and renewed after half of it: one that renews itself in time is never told.
        (0, 1, 0.6, False),
        (0, 1, 0.74, False),
        (0, 1, 0.76, True),
        # Of years.
        (0, 3650, 3600, False),
        (0, 3650, 3621, True),
        (0, 1, 2, True),
    ],
)
def test_due(start: float, end: float, now: float, expected: bool) -> None:
    item = expiry.Dated(expiry.CERTIFICATE, "web", after(end), after(start))
    assert item.due(after(now), DAYS) is expected


def test_what_is_good_for_long_is_not_told() -> None:
    assert warned(vm(authority().issue(), token=after(-1))) == []


def test_a_certificate_that_was_not_renewed() -> None:
    files = authority().issue(start=-70, end=20)
    (said,) = warned(vm(files))
    assert said.startswith(f"the VM's certificate {SPIFFE} expires at {after(20):%Y-%m-%dT%H:%M:%SZ}: it should have")
    assert len(warned(vm(files, token=after(1)))) == 1
    assert "mesh.expansion.rejoin" in warned(vm(files, token=after(-1)))[1]
    assert "expired at" in warned(vm(files), days=21)[0]


def test_the_signing_certificate_and_the_root_end() -> None:
    files = Authority("small", end=24).issue_through("signer", end=20)
    texts = warned(vm(files), days=18)
    assert [text.partition(" expires")[0] for text in texts] == [
        "the signing certificate O=signer",
        "the mesh's root certificate O=small",
    ]
    assert "rotate it" in texts[1]


def test_a_root_that_is_going_away_is_no_concern() -> None:
    files = authority().issue()
    old = Authority("old", end=3)
    both = {**files, "root-cert.pem": pem(old.root) + files["root-cert.pem"]}
    assert warned(vm(both)) == []
    assert [item.used for item in expiry.dated(vm(both))] == [True, False, True]


@pytest.mark.parametrize("seen", [{}, {"unreachable": True}, {"identity": {"chain": "", "root": "-----BEGIN"}}])
def test_what_is_not_there_is_told_by_others(seen: dict[str, Any]) -> None:
    assert expiry.dated(seen) == []
    assert verify_textfile(seen) == ""


def test_metrics() -> None:
    files = authority().issue_through('sign"er', end=200)
    lines = verify_textfile(vm(files, token=after(1))).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    end, start = (f"mesh_expansion_certificate_{which}_timestamp_seconds{{kind=" for which in ("expiry", "start"))
    assert values[f'{end}"certificate",name="{SPIFFE}"}}'] == f"{after(90).timestamp():.0f}"
    assert values[f'{start}"certificate",name="{SPIFFE}"}}'] == f"{after(-1).timestamp():.0f}"
    assert values['mesh_expansion_token_expiry_timestamp_seconds{name="web"}'] == f"{after(1).timestamp():.0f}"
    issuer, root = (next(key for key in values if key.startswith(f'{end}"{kind}"')) for kind in ("issuer", "root"))
    assert '\\"er",fingerprint="' in issuer
    assert values[root] == f"{after(365).timestamp():.0f}"
    # Each metric once explained, before its values.
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == list(
        dict.fromkeys(key.partition("{")[0] for key in values)
    )


def test_a_row_that_holds_today_warns() -> None:
    files = authority().issue(start=-70, end=20)
    checks = {"checks": {}, "lookups": {}, **vm(files)}
    identities = {"web1": {"action": "keep", "identity": SPIFFE, "not_after": "2027-01-01"}}
    for days, state in ((DAYS, "warning"), (10, "ok")):
        judged = verify_rows(
            {"checks": [], "names": {}},
            vms={"web1": checks},
            identities=identities,
            control_plane="citadel",
            expiry_days=days,
        )
        (row,) = [row for row in judged if row["row"] == "R6"]
        assert (row["state"], row["ok"]) == (state, True)
    assert row["detail"] == f"{SPIFFE} valid until 2027-01-01"
