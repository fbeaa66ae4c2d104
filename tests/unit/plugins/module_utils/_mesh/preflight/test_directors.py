# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about several directors: who else answers, adverts of strangers, split brain, one out of reach."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import site as sites
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.directors import director_findings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight.hosts import Rules, host_findings

ADDRESSES = {"lvs1": "192.168.0.61", "lvs2": "192.168.0.63"}
MACS = {"lvs1": "02:00:00:00:00:61", "lvs2": "02:00:00:00:00:63"}
SITE = sites.parse(
    {"mesh_vip": "192.168.0.62", "mesh_service_cidr": "10.233.0.0/16"}.get,
    {"director": list(ADDRESSES)},
    lambda name: {"ansible_host": ADDRESSES[name]}.get,
)
AWAY = {"unreachable": True, "msg": "no route"}


def look(name: str, **probe: Any) -> dict[str, Any]:
    found = {"interface": "vec0", "held": False, "answered_by": [], "error": "", "hardware": MACS[name], "adverts": []}
    system = {"system": "Linux", "service_mgr": "systemd", "python_version": "3.11.2"}
    return {"system": system, "ip_vs": {"usable": True, "error": ""}, "probe": {**found, **probe}}


def findings(router_id: int = 0, takeover: bool = False, **looks: dict[str, Any]) -> list[str]:
    return list(director_findings(SITE, looks, Rules({}, router_id=router_id, takeover=takeover)))


def pair(**second: Any) -> dict[str, dict[str, Any]]:
    """Looks at both, and what is different on the second."""
    return {"lvs1": look("lvs1"), "lvs2": {**look("lvs2"), **second}}


def running(standby: bool) -> dict[str, Any]:
    return {"keepalived": {"active": True, "foreign": False, "standby": standby}}


def test_another_director_may_hold_the_address() -> None:
    assert findings(lvs1=look("lvs1", held=True), lvs2=look("lvs2", answered_by=[MACS["lvs1"]])) == []


def test_a_stranger_may_not() -> None:
    (found,) = findings(
        lvs1=look("lvs1", held=True), lvs2=look("lvs2", answered_by=[MACS["lvs1"], "52:54:00:12:34:56"])
    )
    assert "is answered by another host, hardware address 52:54:00:12:34:56, seen from lvs2 on vec0" in found


def test_split_brain() -> None:
    (found,) = findings(lvs1=look("lvs1", held=True), lvs2=look("lvs2", held=True))
    assert found.startswith("mesh_vip: lvs1, lvs2 hold 192.168.0.62 at the same time.")
    assert "protocol 112" in found


@pytest.mark.parametrize(
    ("source", "heard", "wanted", "count"),
    [
        ("192.168.0.63", 62, 0, 0),
        ("192.168.0.9", 62, 0, 1),
        ("192.168.0.9", 61, 0, 0),
        ("192.168.0.9", 61, 61, 1),
    ],
)
def test_a_router_id_in_use(source: str, heard: int, wanted: int, count: int) -> None:
    adverts = [{"source": source, "version": 3, "router_id": heard, "priority": 100}]
    found = findings(router_id=wanted, lvs1=look("lvs1", adverts=adverts), lvs2=look("lvs2"))
    assert len(found) == count
    assert all(f"{source} uses the virtual router id {heard} already" in line for line in found)


def test_one_director_out_of_reach_is_no_finding() -> None:
    assert list(host_findings(SITE, {"lvs1": AWAY, "lvs2": look("lvs2")}, Rules({}))) == []


def test_all_of_them_out_of_reach_are() -> None:
    found = list(host_findings(SITE, {"lvs1": AWAY, "lvs2": AWAY}, Rules({})))
    assert [line.split(":")[0] for line in found] == ["lvs1", "lvs2"]


def test_the_clock_of_one_of_several_directors() -> None:
    (found,) = findings(**pair(clock=-200.0))
    assert found.startswith("lvs2: its clock is 200 s behind the control node's, and what two directors logged")
    assert findings(**pair(clock=59.0)) == []


def test_keepalived_of_somebody_else() -> None:
    foreign = pair(keepalived={"active": True, "foreign": True, "standby": False})
    (found,) = findings(**foreign)
    assert found.startswith("lvs2: /etc/keepalived/keepalived.conf is not the role director's.")
    assert "director_keepalived: takeover" in found
    assert findings(takeover=True, **foreign) == []


def test_nobody_holds_the_address() -> None:
    one, two = look("lvs1"), look("lvs2")
    (found,) = findings(lvs1=one | running(False), lvs2=two | running(True))
    assert "no director holds 192.168.0.62, though keepalived runs on lvs1, lvs2" in found
    (found,) = findings(lvs1=one | running(True), lvs2=two | running(True))
    assert found.endswith("all are kept out. Next: ansible-playbook mesh.expansion.failover -e director_back=lvs1")


def test_nobody_is_no_finding_where_a_run_makes_a_holder() -> None:
    one, two = look("lvs1"), look("lvs2")
    # Before the first run, with one out of reach, and when another one answers for it.
    assert findings(lvs1=one, lvs2=two) == []
    assert findings(lvs1=one | running(False), lvs2=AWAY) == []
    held = look("lvs1", answered_by=[MACS["lvs2"]]) | running(False)
    assert findings(lvs1=held, lvs2=two | running(False)) == []


def asks(address: str, **more: Any) -> dict[str, Any]:
    found = {"address": address, "interface": "vec0", "places": [["vec0", "192.168.0.9", 24]], "claimed_by": []}
    return {"asking": {**found, "macvlan": {"usable": True, "error": ""}, **more}}


def test_addresses_that_services_are_asked_from() -> None:
    good = {name: {**look(name), **asks(f"192.168.0.6{number}")} for number, name in ((4, "lvs1"), (5, "lvs2"))}
    assert findings(**good) == []
    (found,) = findings(**{**good, "lvs2": {**look("lvs2"), **asks("192.168.0.64")}})
    assert found.startswith("director_health_address: lvs1 and lvs2 have the same, 192.168.0.64.")
    (found,) = findings(**{**good, "lvs1": {**look("lvs1"), **asks("")}})
    assert found.startswith("director_health_address of lvs1 is not set")
    (found,) = findings(**{**good, "lvs1": {**look("lvs1"), **asks("here")}})
    assert found.startswith("director_health_address of lvs1 is 'here'; it must be an IP address.")
    (found,) = findings(**{**good, "lvs1": {**look("lvs1"), **asks("192.168.0.63")}})
    assert "which is the address of lvs2. Set director_health_address of lvs1" in found
    (found,) = findings(**{**good, "lvs1": {**look("lvs1"), **asks("192.168.0.66", claimed_by=["02:00:00:00:00:66"])}})
    assert "the host with the hardware address 02:00:00:00:00:66 answers for it on vec0" in found


def test_a_kernel_without_macvlan() -> None:
    broken = asks("192.168.0.64", macvlan={"usable": False, "error": "not found"})
    (found,) = findings(**{**pair(), "lvs1": {**look("lvs1"), **broken}})
    assert found.startswith("lvs1: the kernel module macvlan cannot be loaded (not found)")
    assert "director_health_check: kube_proxy" in found
