# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was found on all hosts to rows; what is missing or broken has rows that do not hold."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import model, rows
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.citadel import CITADEL
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import CLUSTER, VM

GOOD = {"problems": [], "good": "fine", "unchecked": ""}
NAMES = {"istio-pilot": "192.168.0.62"}
CLUSTER_RESULT: dict[str, Any] = {
    "names": NAMES,
    "checks": [
        *(
            {"check": text.check, "service": text.service, "host": "cluster", **GOOD}
            for text in CITADEL.rows
            if text.scope == CLUSTER
        ),
    ],
}
DIRECTOR = {"operations": [], "refusals": [], "drained": [], "places": ["eth0/32"]}
VM_RESULT: dict[str, Any] = {
    "checks": {
        text.check: GOOD for text in CITADEL.rows if text.scope == VM and text.check not in ("identity", "lookups")
    },
    "lookups": {"istio-pilot": {"addresses": ["192.168.0.62"], "said": ""}},
}
IDENTITY = {"action": "keep", "identity": "spiffe://cluster.local/ns/default/sa/default", "not_after": "2027-01-01"}


def judged(**changes: Any) -> list[model.Row]:
    given: dict[str, Any] = {
        "cluster": CLUSTER_RESULT,
        "directors": {"lvs1": DIRECTOR},
        "vms": {"web1": VM_RESULT},
        "identities": {"web1": IDENTITY},
        **changes,
    }
    return rows.rows(CITADEL, table="8 virtual services", **given)


def failed(found: list[model.Row]) -> dict[str, str]:
    return {row.row: row.detail for row in found if not row.ok}


def test_every_row_is_there_and_holds() -> None:
    found = judged()
    assert failed(found) == {}
    lines = rows.table(CITADEL, [row._asdict() for row in reversed(found)])
    assert [line.split()[1] for line in lines] == [f"R{number}" for number in range(1, 20)]
    (table,) = [row for row in found if row.row == "R5"]
    assert table.detail == "8 virtual services, held on eth0/32"


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("kube_proxy", "nodes are asked for kube-proxy, taken out by the checks: 192.168.0.73"),
        (
            "end_to_end",
            "nodes are asked end to end, taken out by the checks: 192.168.0.73 (tcp 192.168.0.62:53, udp x)",
        ),
    ],
)
def test_the_row_of_a_director_says_what_checks_do(check: str, said: str) -> None:
    keepalived = {"check": check, "failing_services": {"192.168.0.73": ["tcp 192.168.0.62:53", "udp x"]}}
    (table,) = [row for row in judged(directors={"lvs1": {**DIRECTOR, "keepalived": keepalived}}) if row.row == "R5"]
    assert table.ok
    assert table.detail == f"8 virtual services, held on eth0/32, {said}"


def test_what_a_director_would_still_do_is_a_fault() -> None:
    found = failed(judged(directors={"lvs1": {**DIRECTOR, "operations": ["-A -t x", "start y"]}}))
    assert found == {"R5": "the next run would: -A -t x; start y"}
    found = failed(judged(directors={"lvs1": {**DIRECTOR, "refusals": ["another host has the VIP."]}}))
    assert found == {"R5": "another host has the VIP."}
    (row,) = [row for row in judged(directors={"lvs1": {**DIRECTOR, "drained": ["192.0.2.72"]}}) if row.row == "R5"]
    assert row.ok
    assert row.detail.endswith("out of service: 192.0.2.72")


def test_identity() -> None:
    assert failed(judged(identities={"web1": {"action": "deliver", "reason": "expired"}})) == {
        "R6": "the identity has to be put right: expired"
    }
    assert failed(judged(identities={"web1": {"msg": "Secret istio.default does not exist"}})) == {
        "R6": "Secret istio.default does not exist"
    }
    assert failed(judged(identities={})) == {"R6": "the identity could not be read"}


def test_names_are_judged_by_the_cluster_s_word() -> None:
    result = {**VM_RESULT, "lookups": {"istio-pilot": {"addresses": ["10.0.0.1"], "said": ""}}}
    assert failed(judged(vms={"web1": result})) == {"R10": "istio-pilot answers 10.0.0.1, should be 192.168.0.62"}
    result = {**VM_RESULT, "lookups": {"istio-pilot": {"addresses": [], "said": "NXDOMAIN"}}}
    assert failed(judged(vms={"web1": result})) == {
        "R10": "istio-pilot answers nothing (NXDOMAIN), should be 192.168.0.62"
    }


def test_a_host_that_was_not_reached_fails_its_rows_and_no_others() -> None:
    away, broken = {"unreachable": True, "msg": "ssh: timed out"}, {"msg": "Missing sudo\npassword"}
    found = judged(vms={"web1": VM_RESULT, "web2": away, "web3": {}, "web4": broken})
    vm_rows = [text.id for text in CITADEL.rows if text.scope == VM]
    for host, reason in (
        (
            "web2",
            "web2: it cannot be reached (ssh: timed out). Check ansible_host, the SSH key and the user, or take it "
            "out of the inventory.",
        ),
        ("web3", "web3 was not reached, or its check broke off"),
        ("web4", "web4: Missing sudo password"),
    ):
        bad = [row for row in found if row.host == host]
        assert [row.row for row in bad] == vm_rows
        assert {row.detail for row in bad} == {reason}
    assert {row.host for row in found if not row.ok} == {"web2", "web3", "web4"}


def test_without_the_cluster_its_rows_fail_with_the_reason() -> None:
    found = failed(judged(cluster={"failed": True, "msg": "Cannot load kubeconfig"}))
    assert set(found) == {text.id for text in CITADEL.rows if text.scope == CLUSTER} | {"R10"}
    assert found["R1"] == "Cannot load kubeconfig"
    assert "not known" in found["R10"]


def test_what_could_not_be_checked_is_no_fault_and_is_said() -> None:
    checks = [
        {**said, "unchecked": "no pod"} if said["check"] == "request" else said for said in CLUSTER_RESULT["checks"]
    ]
    found = judged(cluster={**CLUSTER_RESULT, "checks": checks})
    assert failed(found) == {}
    (row,) = [row for row in found if row.row == "R19"]
    assert (row.state, row.detail) == ("not checked", "no pod")


def test_a_service_of_the_user_s_own_has_a_row_of_its_name() -> None:
    own = {"check": "exposure", "service": "vault", "host": "cluster", **GOOD, "problems": ["it does not exist"]}
    found = judged(cluster={**CLUSTER_RESULT, "checks": [own, *CLUSTER_RESULT["checks"]]})
    assert failed(found) == {"vault": "it does not exist"}
    lines = rows.table(CITADEL, [row._asdict() for row in found])
    assert lines[-1].split()[1] == "vault"
    assert "vault is exposed on the VIP" in lines[-1]


def test_differences_of_objects_by_path() -> None:
    before = {"spec": {"ports": [1], "selector": {"app": "x"}}, "metadata": {"labels": {"a": "b"}}}
    after = {"spec": {"ports": [1, 2], "selector": {"app": "x", "tier": "y"}}, "metadata": {}}
    assert model.differences(before, before) == []
    assert model.differences(before, after) == [
        "spec.ports is [1], should be [1, 2]",
        "spec.selector.tier is missing, should be y",
        "metadata is missing, should be {}",
        "metadata.labels.a is b, should be absent",
    ]
