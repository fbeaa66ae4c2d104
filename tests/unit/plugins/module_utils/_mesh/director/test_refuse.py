# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import ipaddress

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.paths import text_file
from ansible_collections.mesh.expansion.plugins.module_utils._host.vip import Place
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.model import Seen, Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director.refuse import refusals

VIP = ipaddress.ip_address("192.168.0.62")
SERVICES = [{"tcp_service": "192.168.0.62:53", "real_servers": [{"real_server": "192.168.0.71:53"}]}]
WANTED = Wanted(VIP, services=SERVICES, host="lvs1")
HOME = Place("eth0", ipaddress.ip_address("192.168.0.61"), 24)
GOOD = Seen(interfaces=["lo", "eth0"], places=[HOME])


def seen(**values: object) -> Seen:
    return dataclasses.replace(GOOD, **values)  # type: ignore[arg-type]


def test_nothing_to_refuse() -> None:
    assert refusals(WANTED, GOOD) == []
    assert refusals(WANTED, seen(places=[HOME, Place("eth0", VIP, 32)])) == []


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        (
            seen(places=[HOME, Place("eth1", ipaddress.ip_address("192.168.0.71"), 32)]),
            "lvs1 cannot be the director: it is the real server 192.168.0.71. Use a host that is no Kubernetes node.",
        ),
        (
            seen(interfaces=["kube-ipvs0"]),
            "lvs1 cannot be the director: it has the interface kube-ipvs0, and a kube-proxy",
        ),
        (seen(places=[]), "The virtual address 192.168.0.62 is in no subnet of lvs1: name the interface"),
        (
            seen(places=[HOME, Place("eth1", HOME.address, 24)]),
            "The virtual address 192.168.0.62 is in the subnets of eth0, eth1 of lvs1: name the interface",
        ),
        (
            seen(places=[HOME, Place("eth0", VIP, 24)]),
            (
                "192.168.0.62 is on eth0/24 of lvs1; it must be a host address on eth0/32. "
                "Remove it from the configuration"
            ),
        ),
        (
            seen(keepalived=["/etc/keepalived/keepalived.conf"]),
            (
                "/etc/keepalived/keepalived.conf on lvs1 names 192.168.0.62: "
                "two writers of one table undo each other's work."
            ),
        ),
        (
            seen(files={layout.IPVSADM: text_file('AUTO="true"\n')}),
            (
                '/etc/default/ipvsadm on lvs1 says AUTO="true": '
                "the package ipvsadm flushes the table when it starts and stops."
            ),
        ),
        (
            seen(answered_by=["52:54:00:12:34:56"]),
            "The host with the hardware address 52:54:00:12:34:56 answers for 192.168.0.62 on eth0. Use a free address",
        ),
    ],
)
def test_what_is_refused(what: Seen, reason: str) -> None:
    (found,) = refusals(WANTED, what)
    assert found.startswith(reason)


def test_all_reasons_at_once() -> None:
    assert len(refusals(WANTED, seen(keepalived=["x"], answered_by=["y"], interfaces=["kube-ipvs0"]))) == 3


def test_a_takeover_is_no_refusal() -> None:
    what = seen(files={layout.IPVSADM: text_file("AUTO=true\n")})
    assert refusals(dataclasses.replace(WANTED, ipvsadm_boot="takeover"), what) == []


def test_the_named_interface_counts() -> None:
    two = seen(places=[HOME, Place("eth1", HOME.address, 24)])
    assert refusals(dataclasses.replace(WANTED, interface="eth1"), two) == []


def test_removal_is_never_refused() -> None:
    assert refusals(dataclasses.replace(WANTED, state="absent"), seen(keepalived=["x"])) == []
