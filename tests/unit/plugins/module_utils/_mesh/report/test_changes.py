# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report says of the one before: what is worse, better or otherwise new, and what is no change."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.model import FAILED
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import changes
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report.changes import BETTER, OTHER, WORSE

from tests.unit.plugins.mesh_pki import authority
from tests.unit.plugins.seen_site import Site


def text(site: Site, former: str = "", days: float = 0) -> str:
    """The file that a run writes."""
    document = changes.document(site.report(days))
    return json.dumps(changes.recorded(document, changes.since(former, document)))


def changed(before: Site, after: Site) -> list[tuple[str, str]]:
    found = changes.since(text(before), changes.document(after.report(0.5)))
    return [tuple(item) for item in found.items]


def test_nothing_but_the_time_is_no_change() -> None:
    assert changed(Site(), Site()) == []
    noisy = Site("istiod")
    noisy.vms["web1"]["checks"]["proxy"]["good"] = "ready; 27 updates of clusters"
    assert changed(Site("istiod"), noisy) == []


def test_a_row_fails_and_holds_again() -> None:
    broken = Site()
    broken.fail("request", "web1", "it answered 503")
    what = "R19 web1, a pod reaches the VM through the mesh"
    assert changed(Site(), broken) == [(WORSE, f"{what}: was ok, is {FAILED}: it answered 503")]
    assert changed(broken, Site()) == [(BETTER, f"{what}: was {FAILED}, is ok")]
    other = Site()
    other.fail("request", "web1", "it answered 404")
    assert changed(broken, other) == [(OTHER, f"{what}: now it answered 404")]


def test_a_host_that_is_not_reached_is_one_change() -> None:
    lost = Site()
    lost.lose("web1")
    lost.lose("node1")
    assert changed(Site(), lost) == [
        (WORSE, "node1 is not reached any more"),
        (WORSE, "web1 is not reached any more"),
    ]
    assert changed(lost, Site()) == [(BETTER, "node1 is reached again"), (BETTER, "web1 is reached again")]
    blind = Site("istiod")
    blind.cluster = {"failed": True, "msg": "the API server does not answer"}
    assert changed(Site("istiod"), blind) == [(WORSE, "the cluster is not reached any more")]


def test_what_was_not_looked_at_is_no_change() -> None:
    part = Site()
    for found in (part.facts, part.vms):
        del found["web2"]
    part.cluster["checks"] = [said for said in part.cluster["checks"] if said["host"] != "web2"]
    assert changed(Site(), part) == changed(part, Site()) == []


def test_versions_addresses_and_hosts() -> None:
    after = Site()
    after.site["vip"] = "192.168.0.63"
    after.api["version"] = "v1.37.0"
    after.site["vms"][0]["address"] = "192.168.0.91"
    after.facts["web1"] = {"ansible_facts": {"ansible_kernel": "6.12"}}
    after.site["nodes"].pop()
    assert changed(Site(), after) == [
        (OTHER, "the virtual address was 192.168.0.62, is 192.168.0.63"),
        (OTHER, "Kubernetes was v1.36.3, is v1.37.0"),
        (OTHER, "web1 was 192.168.0.81, is 192.168.0.91"),
        (OTHER, "web1: kernel was 6.1.0-40-amd64, is 6.12"),
        (OTHER, "node2 is no longer in the inventory (node)"),
    ]
    assert (OTHER, "node2 is new in the inventory (node)") in changed(after, Site())


def test_a_certificate_that_was_renewed() -> None:
    after = Site()
    files = authority().issue(end=120)
    after.vms["web1"] = {
        **after.vms["web1"],
        "identity": {"chain": files["cert-chain.pem"].decode(), "root": files["root-cert.pem"].decode()},
    }
    found = [said for kind, said in changed(Site(), after)]
    assert any(said.startswith("the certificate of web1 ") for said in found)
    assert not any("root certificate" in said for said in found)


def test_what_changed_is_shown_until_something_else_does() -> None:
    broken = Site()
    broken.fail("request", "web1", "it answered 503")
    first = text(Site())
    second = text(broken, first, days=1)
    third = text(broken, second, days=2)
    now = changes.document(broken.report(3))
    found = changes.since(third, now)
    assert [item.kind for item in found.items] == [WORSE]
    assert (found.since, found.seen) == (json.loads(first)["time"], json.loads(second)["time"])
    assert found.quiet == found.seen
    quiet = changes.since(text(Site(), first, days=1), changes.document(Site().report(2)))
    assert (list(quiet.items), quiet.since) == ([], json.loads(first)["time"])


@pytest.mark.parametrize("former", ["", "{", "[]", '{"format": 0}', '{"format": 1}', '{"format": 1, "changes": 3}'])
def test_a_file_that_cannot_be_compared_is_none(former: str) -> None:
    assert changes.since(former, changes.document(Site().report())) == changes.Changes()


def test_the_document_is_plain() -> None:
    document: Any = json.loads(text(Site("istiod")))
    assert document["format"] == changes.FORMAT
    moment = datetime.datetime.strptime(document["time"], "%Y-%m-%dT%H:%M:%SZ")
    assert moment.year > 2000
    assert {row["state"] for row in document["rows"]} == {"ok"}
