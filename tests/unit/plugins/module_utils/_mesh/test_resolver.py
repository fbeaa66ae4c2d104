# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure, resolver

VIP = "192.168.0.62"
# Literally as in the reference procedure.
KUBEDNS = """server=/svc.cluster.local/192.168.0.62
address=/istio-mixer/192.168.0.62
address=/istio-policy/192.168.0.62
address=/istio-telemetry/192.168.0.62
address=/istio-pilot/192.168.0.62
address=/istio-citadel/192.168.0.62
address=/istio-ca/192.168.0.62
address=/istio-mixer.istio-system/192.168.0.62
address=/istio-policy.istio-system/192.168.0.62
address=/istio-telemetry.istio-system/192.168.0.62
address=/istio-pilot.istio-system/192.168.0.62
address=/istio-citadel.istio-system/192.168.0.62
address=/istio-ca.istio-system/192.168.0.62
"""


@pytest.mark.parametrize("profile", ["reference", "secure"])
def test_kubedns_is_the_procedures(profile: str) -> None:
    assert resolver.kubedns_lines(exposure.exposed_services(profile), VIP) == KUBEDNS.splitlines()


def test_kubedns_without_a_zone_is_refused() -> None:
    services = [entry for entry in exposure.exposed_services("secure") if not entry["dns_zone"]]
    with pytest.raises(resolver.ResolverError, match="expose the cluster's DNS"):
        resolver.kubedns_lines(services, VIP)


def test_dnsmasq_lines() -> None:
    services = exposure.exposed_services("secure")
    lines = resolver.dnsmasq_lines(services, VIP, "10.233.0.0/16", ["114.114.114.114", "192.0.2.53"], "127.0.0.1")
    assert lines[:5] == [
        "listen-address=127.0.0.1",
        "bind-interfaces",
        "no-resolv",
        "server=114.114.114.114",
        "server=192.0.2.53",
    ]
    assert [line for line in lines if line.startswith("local=")] == [
        f"local=/{line.split('/')[1]}/" for line in KUBEDNS.splitlines() if line.startswith("address=")
    ]
    assert lines[-1] == "rev-server=10.233.0.0/16,192.168.0.62"


@pytest.mark.parametrize(("upstreams", "words"), [([], "no upstream name server"), (["127.0.0.1"], "would loop")])
def test_dnsmasq_lines_refuses(upstreams: list[str], words: str) -> None:
    with pytest.raises(resolver.ResolverError, match=words):
        resolver.dnsmasq_lines(exposure.exposed_services("secure"), VIP, "10.233.0.0/16", upstreams, "127.0.0.1")


def test_nameservers_leaves_local_forwarders_out() -> None:
    text = (
        "# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver 192.0.2.53\n nameserver 192.0.2.53\nnameserver ::1\n"
        "nameserver fe80::1%eth0\nnameserver x\n"
    )
    assert resolver.nameservers(text) == ["192.0.2.53", "fe80::1%eth0"]


def test_resolv_conf_keeps_search_and_options() -> None:
    text = "# old\nnameserver 192.0.2.53\nsearch example.com example.net\noptions edns0 trust-ad\n"
    made = resolver.resolv_conf(text, ["127.0.0.1", "192.0.2.53"], "new")
    assert made == (
        "# new\nsearch example.com example.net\noptions edns0 trust-ad\nnameserver 127.0.0.1\nnameserver 192.0.2.53\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("127.0.0.1 localhost\n", "127.0.0.1 localhost\n192.168.0.81 web\n"),
        (
            "127.0.0.1 localhost\n127.0.1.1 web.example.com web\n",
            "127.0.0.1 localhost\n192.168.0.81 web.example.com web\n",
        ),
        ("127.0.0.1 localhost web\n", "127.0.0.1 localhost\n192.168.0.81 web\n"),
        ("127.0.0.1 web\n", "192.168.0.81 web\n"),
        ("192.168.0.81 web # mine\n", "192.168.0.81 web # mine\n"),
        ("192.168.0.81 web\n127.0.1.1 web\n", "192.168.0.81 web\n"),
        ("# 192.168.0.81 web\n::1 localhost\n", "# 192.168.0.81 web\n::1 localhost\n192.168.0.81 web\n"),
        ("", "192.168.0.81 web\n"),
    ],
)
def test_hosts_entry(before: str, after: str) -> None:
    assert resolver.hosts_entry(before, "192.168.0.81", "web") == after
    assert resolver.hosts_entry(after, "192.168.0.81", "web") == after


def test_hosts_entry_refuses_what_is_no_address() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        resolver.hosts_entry("", "nonsense", "web")


@pytest.mark.parametrize(
    ("current", "result"),
    [
        ("127.0.0.1 localhost\n192.168.0.81 web\n", "127.0.0.1 localhost\n127.0.1.1 web\n"),
        ("127.0.0.1 localhost\n192.168.0.81 web\n10.0.0.1 db\n", "127.0.0.1 localhost\n10.0.0.1 db\n127.0.1.1 web\n"),
        ("127.0.0.1 localhost\n127.0.1.1 web\n", "127.0.0.1 localhost\n127.0.1.1 web\n"),
    ],
)
def test_hosts_restored(current: str, result: str) -> None:
    original = "127.0.0.1 localhost\n127.0.1.1 web\n"
    assert resolver.hosts_restored(current, resolver.hosts_entry(original, "192.168.0.81", "web"), original) == result
