# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture's hosts and connections: what each row, and each host that was not reached, does to their states."""

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.model import FAILED, OK, UNCHECKED, WARNING
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import model, troubles
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report.model import clean

from tests.unit.plugins.seen_site import Site, edge

GENERATIONS = pytest.mark.parametrize("generation", ["citadel", "istiod"])


def states(site: Site) -> dict[str, str]:
    """All that is not well, by name."""
    report = site.report()
    found = {host.name: host.state for host in (report.cluster, *report.hosts)}
    found |= {f"{one.source} {one.target}": one.state for one in report.edges}
    found |= {service.name: service.state for service in report.services}
    found["VIP"] = report.vip_state
    return {name: state for name, state in found.items() if state != OK}


@GENERATIONS
def test_all_is_well(generation: str) -> None:
    site = Site(generation)
    assert states(site) == {}
    report = site.report()
    assert len(report.edges) == 2 + 2 + 2 + 2
    assert troubles.headline(report) == (f"All {len(report.rows)} checks hold", OK)
    assert troubles.troubles(report) == []
    assert troubles.next_step(report) == ""


@GENERATIONS
def test_a_vm_that_is_not_reached_is_red_and_of_its_ways_out_nothing_is_known(generation: str) -> None:
    site = Site(generation)
    site.lose("web1")
    # What pods reach is known from the cluster.
    assert states(site) == {"web1": FAILED, "web1 VIP": UNCHECKED}
    report = site.report()
    (trouble,) = troubles.troubles(report)
    assert trouble.host == "web1"
    assert len(trouble.rows) > 5
    assert troubles.headline(report)[0].startswith("web1 was not reached; ")
    assert troubles.next_step(report) == "ansible web1 -m ansible.builtin.ping"
    assert troubles.drift(report).endswith("Nothing is known of web1.")


def test_a_dead_director_leaves_the_vip_without_a_holder() -> None:
    site = Site()
    site.lose("lvs1")
    assert states(site) == {"lvs1": FAILED, "VIP": FAILED, "lvs1 node1": UNCHECKED, "lvs1 node2": UNCHECKED}


def test_a_director_s_table_by_node() -> None:
    site = Site()
    seen = site.directors["lvs1"]
    seen["operations"] = ["-a -t 192.168.0.62:8060 -r 192.168.0.71:8060 -g -w 1"]
    seen["drained"] = ["192.168.0.72"]
    found = states(site)
    assert found == {"lvs1": FAILED, "lvs1 node1": FAILED, "lvs1 node2": model.OUT}
    assert "192.168.0.71" in edge(site.report(), "lvs1", "node1").detail
    # An address is no part of another one.
    seen.update(operations=["-a -t 192.168.0.62:8060 -r 192.168.0.710:8060"], drained=[])
    assert states(site) == {"lvs1": FAILED}
    seen.update(operations=[], keepalived={"failing": ["192.168.0.71"]})
    assert states(site) == {"lvs1 node1": FAILED}


def test_a_second_director_stands_by() -> None:
    site = Site()
    site.site["directors"].append({"name": "lvs2", "address": "192.168.0.60"})
    site.directors["lvs2"] = {**site.directors["lvs1"], "places": []}
    site.facts["lvs2"] = site.facts["lvs1"]
    report = site.report()
    assert not edge(report, "lvs1", "node1").standby
    assert edge(report, "lvs2", "node1").standby
    assert states(site) == {}
    site.directors["lvs2"]["places"] = ["eth0/32"]
    assert states(site) == {"VIP": FAILED}


def test_a_node_that_is_not_reached() -> None:
    site = Site()
    site.lose("node2")
    assert states(site) == {"node2": FAILED, "lvs1 node2": WARNING, "node2 cluster": UNCHECKED}
    report = site.report()
    (trouble,) = troubles.troubles(report)
    assert trouble.detail.startswith("node2 was not reached: Failed to connect to the host via ssh")
    assert troubles.headline(report) == ("node2 was not reached; all 32 checks hold", FAILED)


def test_a_node_that_no_service_is_forwarded_to_has_no_connections() -> None:
    site = Site()
    for entry in site.site["services"]:
        entry["nodes"] = ["node1"]
    assert not [one for one in site.report().edges if "node2" in (one.source, one.target)]


@GENERATIONS
def test_a_cluster_that_cannot_be_read(generation: str) -> None:
    site = Site(generation)
    site.cluster = {"failed": True, "msg": "Cannot check the cluster: the API server does not answer"}
    found = states(site)
    assert found.pop("cluster") == FAILED
    exposed = {entry["name"] for entry in site.site["services"]}
    assert {name for name, state in found.items() if state == FAILED} == exposed
    assert found["cluster web1"] == found["node1 cluster"] == UNCHECKED
    trouble = troubles.troubles(site.report())[0]
    assert trouble.detail.startswith("Cannot check the cluster")


@pytest.mark.parametrize(
    ("generation", "check", "host", "expected"),
    [
        ("citadel", "resolver", "web1", {"web1 VIP"}),
        ("citadel", "pushed", "web1", {"web1 VIP"}),
        ("citadel", "package", "web1", {"web1"}),
        ("citadel", "request", "web2", {"cluster web2"}),
        ("citadel", "registration", "web2", {"cluster web2"}),
        ("citadel", "settings", "cluster", {"cluster"}),
        ("istiod", "proxy", "web1", {"web1 VIP"}),
        ("istiod", "capture", "web1", {"web1"}),
        ("istiod", "entry", "web1", {"cluster web1"}),
        ("istiod", "peer", "web2", {"cluster web2"}),
    ],
)
def test_a_row_that_fails_is_seen_where_it_is_about(generation: str, check: str, host: str, expected: set[str]) -> None:
    site = Site(generation)
    site.fail(check, host, "it is not so")
    assert states(site) == dict.fromkeys(expected, FAILED)
    (trouble,) = troubles.troubles(site.report())
    assert (trouble.host, trouble.detail) == (host, "it is not so")


def test_a_service_that_is_not_exposed() -> None:
    site = Site()
    next(said for said in site.cluster["checks"] if said["service"] == "istio-citadel-lb")["problems"] = ["missing"]
    assert states(site) == {"istio-citadel-lb": FAILED, "node1 cluster": FAILED, "node2 cluster": FAILED}
    assert troubles.drift(site.report()) == "Not as the inventory says: R4 on cluster."
    assert troubles.next_step(site.report()) == "ansible-playbook mesh.expansion.site --check --diff"


def test_hosts_that_the_play_does_not_work_on_are_shown_as_such() -> None:
    site = Site()
    for found in (site.facts, site.vms):
        del found["web2"]
    site.cluster["checks"] = [said for said in site.cluster["checks"] if said["host"] != "web2"]
    assert states(site) == {"web2": UNCHECKED, "web2 VIP": UNCHECKED, "cluster web2": UNCHECKED}
    assert troubles.headline(site.report())[1] == OK


def test_versions() -> None:
    report = Site("istiod").report()
    (web1, dummy) = report.of(model.VM)
    wanted = {"sidecar": "1.31.0", "Envoy": "1.40.0", "kernel": "6.1.0-40-amd64", "system": "Debian 12.12"}
    assert web1.versions == wanted
    assert report.cluster.versions == {"Kubernetes": "v1.36.3", "control plane": "1.31.0"}
    site = Site("istiod")
    site.vms["web1"]["checks"]["package"]["good"] = "istio-sidecar 1.27.0"
    assert states(site) == {"web1": WARNING}
    (trouble,) = troubles.troubles(site.report())
    assert "too old for the control plane" in trouble.detail


def test_what_ends_is_told_once_with_its_hosts() -> None:
    found = [(item.kind, item.hosts, item.state) for item in Site().report().endings]
    assert found == [
        ("root", ("web1", "web2"), OK),
        ("certificate", ("web1",), OK),
        ("certificate", ("web2",), OK),
    ]
    assert [item.state for item in Site().report(days=80).endings] == [OK, WARNING, WARNING]
    assert [item.state for item in Site().report(days=91).endings] == [OK, FAILED, FAILED]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("two\nlines\tand \x1b[31mcolour", "two lines and [31mcolour"),
        ("turned \u202eround", "turned round"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl!", "token (left out: a secret)!"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x", "(left out: a secret) x"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "(left out: a secret)"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer (left out: a secret)"),
    ],
)
def test_texts_are_one_line_without_secrets(said: str, shown: str) -> None:
    assert clean(said) == shown
