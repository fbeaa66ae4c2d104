# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import settings
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.errors import MeshError


def test_what_is_right_is_taken_over(options: dict[str, t.Any]) -> None:
    parsed = settings.parse({**options, "upstreams": ["192.0.2.53", "fe80::1%eth0"], "address": "192.0.2.81"})
    assert (parsed.vip, parsed.service_cidr, parsed.address) == ("192.0.2.62", "10.96.0.0/12", "192.0.2.81")
    assert parsed.upstreams == ("192.0.2.53", "fe80::1%eth0")
    assert parsed.packages == ("dnsmasq", "bind9-host")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("vip", "192.0.2", r"^dnsmasq_vip \(mesh_vip\) is '192.0.2', which is no IP address. Give the virtual IP"),
        ("listen_address", "lo", r"^dnsmasq_listen_address is 'lo', .*such as 127.0.0.1"),
        ("address", "web", r"^dnsmasq_address \(mesh_vm_address\) is 'web', .*or nothing"),
        ("hostname", "a b", r"^dnsmasq_hostname is 'a b', which is no host name"),
        ("service_cidr", "10.96.0.1/12", r"^dnsmasq_service_cidr \(mesh_service_cidr\) is '10.96.0.1/12': .*host bits"),
        ("probe_attempts", 0, "^dnsmasq_probe_attempts is 0; it must be a number from 1 to 1000."),
        ("services", [], "^dnsmasq_services: no entry has a dns_zone.*Expose the cluster's DNS"),
        (
            "services",
            [{"name": "pilot", "dns_names": ["istio-pilot"]}],
            r"^dnsmasq_services: entry 1 \(pilot\) has dns_names and no namespace",
        ),
        ("upstreams", ["dns.example.com"], r"^dnsmasq_upstreams \(mesh_upstream_dns\) is 'dns.example.com'"),
        ("upstreams", ["127.0.0.1"], r"^dnsmasq_upstreams \(mesh_upstream_dns\) has 127.0.0.1, .*would loop"),
        (
            "probe_names",
            [{"name": "istio-pilot", "expect": ["here"], "empty": False}],
            "^dnsmasq_probe_names: istio-pilot: expect is 'here'; it must be an IP address.",
        ),
    ],
)
def test_what_is_wrong_is_told_by_variable_value_and_fix(
    option: str, value: t.Any, message: str, options: dict[str, t.Any]
) -> None:
    with pytest.raises(MeshError, match=message):
        settings.parse({**options, option: value})
