# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a role has nothing to do, and everything that makes that untrue."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.filter.preflight_unsettled import preflight_unsettled
from ansible_collections.mesh.expansion.plugins.filter.preflight_untouched import preflight_untouched
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


QUIET: dict[str, Seen] = {
    "lvs1": {"__director_seen": {"operations": []}, "__exposure_done": {"changed": False}},
    "node1": {"__real_server_seen": {"operations": []}},
    "web1": {"__preflight_look": {"resolver": RESOLVER, "sidecar": SIDECAR}, "__verify_identity": SECRET},
    "web2": {"__preflight_look": {"resolver": LEFT, "sidecar": SIDECAR}, "__registration_done": {"changed": False}},
}


def test_a_run_that_did_nothing() -> None:
    assert preflight_untouched(list(QUIET), QUIET, ["web1", "web2"])


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("lvs1", {"__director_seen": {"operations": ["load the table"]}}),
        ("node1", {"__real_server_seen": {"operations": ["set arp_ignore"]}}),
        ("web1", {"__exposure_done": {"changed": True}}),
        ("web1", {"__exposure_labelled": {"changed": True}}),
        ("web1", {"__registration_prepare": {"changed": True, "moving": []}}),
        ("web1", {"__registration_done": {"changed": True}}),
        ("web1", {"__mesh_policy_done": {"changed": True}}),
        ("web2", {"__verify_identity": {"action": "deliver"}}),
        ("web2", {"__preflight_look": {"resolver": {**RESOLVER, "operations": ["x"]}, "sidecar": SIDECAR}}),
        ("web2", {"__preflight_look": {}}),
    ],
)
def test_a_run_that_did_something(host: str, variables: Seen) -> None:
    hosts = {**QUIET, host: {**QUIET[host], **variables}}
    assert not preflight_untouched(list(hosts), hosts, ["web1", "web2"])


def test_a_vm_that_was_not_looked_at_is_no_witness() -> None:
    assert not preflight_untouched(["web1", "web3"], QUIET, ["web1", "web3"])


def test_how_many_are_left_alone_is_said() -> None:
    fine = {"resolver": RESOLVER, "sidecar": SIDECAR}
    looks = {"web1": fine, "web2": {"resolver": RESOLVER}, "lvs1": {}}
    assert settled.notes(["web1", "web2", "web3"], looks) == [
        "1 of 3 VMs have their DNS and their sidecar as they should be."
    ]
    assert settled.notes(["web2"], looks) == []
