# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a role has nothing to do, and everything that makes that untrue."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.filter.preflight_unsettled import preflight_unsettled
from ansible_collections.mesh.expansion.plugins.filter.preflight_verified import preflight_verified
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import settled

Seen = dict[str, t.Any]
RESOLVER: Seen = {"operations": [], "missing_packages": [], "joined": True}
LEFT: Seen = {"operations": [], "surplus_packages": [], "joined": False}
SIDECAR: Seen = {"operations": [], "joined": True, "former": False, "package": {"fetch": False, "install": False}}
SECRET: Seen = {"action": "keep"}
TOKEN: Seen = {"token": {"action": "none", "attributes": False}, "outdated": [], "removed": []}


@pytest.mark.parametrize("seen", [RESOLVER, LEFT])
def test_a_resolver_that_is_as_it_should_be(seen: Seen) -> None:
    assert not settled.unsettled_resolver(seen)


@pytest.mark.parametrize(
    "seen",
    [
        None,
        {},
        {**RESOLVER, "operations": ["write /etc/resolv.conf"]},
        {**RESOLVER, "missing_packages": ["dnsmasq"]},
        # Nothing to do, but nobody has written down yet how the host was.
        {**RESOLVER, "joined": False},
        {**LEFT, "operations": ["restore /etc/resolv.conf"]},
        {**LEFT, "surplus_packages": ["dnsmasq"]},
    ],
)
def test_a_resolver_with_work(seen: Seen | None) -> None:
    assert settled.unsettled_resolver(seen)


@pytest.mark.parametrize("identity", [None, SECRET, TOKEN])
def test_a_sidecar_that_is_as_it_should_be(identity: Seen | None) -> None:
    assert not settled.unsettled_sidecar(SIDECAR, identity)


@pytest.mark.parametrize(
    ("seen", "identity"),
    [
        (None, None),
        ({**SIDECAR, "operations": ["restart istio.service"]}, None),
        ({**SIDECAR, "joined": False}, None),
        ({**SIDECAR, "former": True}, None),
        ({**SIDECAR, "package": {"fetch": True, "install": False}}, None),
        ({**SIDECAR, "package": {"fetch": False, "install": True}}, None),
        (SIDECAR, {"action": "deliver"}),
        (SIDECAR, {"action": "attributes"}),
        # The API did not answer, which the role says better.
        (SIDECAR, {"failed": False, "msg": "Cannot use the identity"}),
        (SIDECAR, {**SECRET, "unreachable": True}),
        (SIDECAR, {**TOKEN, "token": {"action": "request", "attributes": False}}),
        (SIDECAR, {**TOKEN, "token": {"action": "present", "attributes": False}}),
        (SIDECAR, {**TOKEN, "token": {"action": "none", "attributes": True}}),
        (SIDECAR, {**TOKEN, "outdated": ["/var/lib/istio/envoy/cluster.env"]}),
        (SIDECAR, {**TOKEN, "removed": ["/etc/certs/key.pem"]}),
    ],
)
def test_a_sidecar_with_work(seen: Seen | None, identity: Seen | None) -> None:
    assert settled.unsettled_sidecar(seen, identity)


def test_the_hosts_of_a_play() -> None:
    known: dict[str, Seen] = {
        "web1": {"__preflight_look": {"resolver": RESOLVER, "sidecar": SIDECAR}},
        "web2": {"__preflight_look": {"resolver": {**RESOLVER, "joined": False}, "sidecar": SIDECAR}},
        "web3": {"__preflight_look": {"resolver": LEFT}},
        "web4": {},
        "web5": {"__preflight_look": {"resolver": LEFT, "sidecar": SIDECAR}, "__verify_identity": {"action": "write"}},
    }
    assert preflight_unsettled(list(known), known, "dnsmasq") == ["web2", "web4"]
    assert preflight_unsettled(list(known), {}, "dnsmasq") == list(known)
    # A sidecar is looked at anew where the resolver changes.
    assert preflight_unsettled(list(known), known, "istio_sidecar") == ["web2", "web3", "web4", "web5"]


@pytest.mark.parametrize("role", ["director", "real_server"])
def test_what_forwards(role: str) -> None:
    done = {"operations": [], "refusals": [], "dropping": []}
    looks: dict[str, Seen] = {
        "a": {role: done},
        "b": {role: {**done, "operations": ["load the table"]}},
        # The role says what is wrong, and gives the hint about the packet filter.
        "c": {role: {**done, "refusals": ["no interface"]}},
        "d": {role: {**done, "dropping": ["ip filter INPUT"]}},
        "e": {},
        "f": {"unreachable": True},
    }
    known = {name: {"__preflight_look": look} for name, look in looks.items()}
    assert preflight_unsettled([*known, "g"], known, role) == ["b", "c", "d", "e", "f", "g"]


GROUPS = {"director": ["lvs1"], "k8s_nodes": ["node1"], "vms": ["web1", "web2", "web3"]}
TABLE: Seen = {"operations": [], "refusals": [], "places": ["eth0/32"]}
FILES: Seen = {"subject": "web"}
HOLDS: Seen = {"checks": {}, "identity": FILES}
FINE: Seen = {"resolver": RESOLVER, "sidecar": {**SIDECAR, "identity": FILES}, "verified": HOLDS}
QUIET: dict[str, Seen] = {
    "lvs1": {"__preflight_look": {"director": TABLE}, "__exposure_done": {"changed": False}},
    "node1": {"__real_server_seen": {"operations": []}},
    "web1": {"__preflight_look": FINE, "__verify_identity": SECRET},
    "web2": {
        "__preflight_look": {**FINE, "resolver": LEFT},
        "__verify_identity": TOKEN,
        "__registration_done": {"changed": False},
        "verify_textfile_directory": "",
    },
}


def test_a_run_that_did_nothing() -> None:
    assert preflight_verified(list(QUIET), QUIET, GROUPS) == {
        "judge": "lvs1",
        "directors": {"lvs1": TABLE},
        "vms": {"web1": HOLDS, "web2": HOLDS},
    }


def test_a_run_about_one_vm() -> None:
    found = preflight_verified(["web1"], QUIET, GROUPS)
    assert found == {"judge": "web1", "directors": {}, "vms": {"web1": HOLDS}}
    assert preflight_verified([], {}, GROUPS) == {}


def test_a_director_that_its_role_has_looked_at() -> None:
    hosts = {**QUIET, "lvs1": {"__preflight_look": {}, "__director_seen": TABLE}}
    assert preflight_verified(list(hosts), hosts, GROUPS)["directors"] == {"lvs1": TABLE}


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("lvs1", {"__director_seen": {"operations": ["load the table"]}}),
        ("lvs1", {"__preflight_look": {}}),
        ("lvs1", {"__preflight_look": {"unreachable": True}}),
        ("lvs1", {"verify_textfile_directory": "/var/lib/node-exporter"}),
        ("node1", {"__real_server_seen": {"operations": ["set arp_ignore"]}}),
        ("web1", {"__exposure_done": {"changed": True}}),
        ("web1", {"__exposure_labelled": {"changed": True}}),
        ("web1", {"__registration_prepare": {"changed": True, "moving": []}}),
        ("web1", {"__registration_done": {"changed": True}}),
        ("web1", {"__mesh_policy_done": {"changed": True}}),
        ("web2", {"__verify_identity": {"action": "deliver"}}),
        # Not compared, or something else was.
        ("web2", {"__verify_identity": {}}),
        ("web2", {"__preflight_look": {**FINE, "verified": {**HOLDS, "identity": {"subject": "other"}}}}),
        ("web2", {"__preflight_look": {**FINE, "verified": None}}),
        ("web2", {"__preflight_look": {**FINE, "resolver": {**RESOLVER, "operations": ["x"]}}}),
        ("web2", {"__preflight_look": {}}),
        ("web2", {"verify_textfile_directory": "/var/lib/node-exporter"}),
    ],
)
def test_a_run_after_which_somebody_has_to_look(host: str, variables: Seen) -> None:
    hosts = {**QUIET, host: {**QUIET[host], **variables}}
    assert preflight_verified(list(hosts), hosts, GROUPS) == {}


def test_a_vm_that_was_not_looked_at_is_no_witness() -> None:
    assert preflight_verified([*QUIET, "web3"], QUIET, GROUPS) == {}


def test_how_many_are_left_alone_is_said() -> None:
    fine = {"resolver": RESOLVER, "sidecar": SIDECAR}
    looks: dict[str, Seen] = {"web1": fine, "web2": {"resolver": RESOLVER}, "web3": {}, "lvs1": {}}
    said = "As they should be are 1 of 3 VMs."
    assert settled.notes(["lvs1"], ["node1"], ["web1", "web2", "web3", "web4"], looks) == [said]
    looks.update(lvs1={"director": TABLE}, node1={"real_server": {"operations": []}})
    said = "As they should be are 1 of 1 directors, 1 of 1 nodes, 1 of 2 VMs."
    assert settled.notes(["lvs1"], ["node1"], ["web1", "web2"], looks) == [said]
    assert settled.notes([], [], ["web2"], looks) == []
