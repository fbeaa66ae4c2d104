# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import ExposureError
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.vip import vip_interface

ETH0 = {"ipv4": {"address": "192.168.0.61", "prefix": "24", "netmask": "255.255.255.0"}}


def facts(**interfaces):
    return {
        "interfaces": ["lo", *(name.replace("_", "-") for name in interfaces)],
        "lo": {"ipv4": {"address": "127.0.0.1", "prefix": "8"}, "ipv6": [{"address": "::1", "prefix": "128"}]},
        **interfaces,
    }


def test_the_interface_of_the_subnet():
    other = {"ipv4": {"address": "10.0.0.1", "prefix": "8"}}
    assert vip_interface(facts(eth1=other, eth0=ETH0), "192.168.0.62") == "eth0"


def test_the_name_is_the_real_one_not_the_fact_s_key():
    assert vip_interface(facts(br_lan=ETH0), "192.168.0.62") == "br-lan"


def test_the_longer_prefix_wins():
    wide = {"ipv4": {"address": "192.168.1.1", "prefix": "16"}}
    assert vip_interface(facts(eth0=ETH0, eth1=wide), "192.168.0.62") == "eth0"


def test_an_old_fact_with_a_netmask_only():
    assert vip_interface(facts(eth0={"ipv4": {"address": "10.1.2.3", "netmask": "255.255.0.0"}}), "10.1.9.9") == "eth0"


def test_secondary_addresses():
    interface = {"ipv4": {"address": "10.0.0.1", "prefix": "8"}, "ipv4_secondaries": [ETH0["ipv4"]]}
    assert vip_interface(facts(eth0=interface), "192.168.0.62") == "eth0"


def test_ipv6():
    interface = {"ipv6": [{"address": "fd00::61", "prefix": "64", "scope": "global"}]}
    assert vip_interface(facts(eth0=interface), "fd00::62") == "eth0"


def test_the_held_address_does_not_count():
    held = {"ipv4": {"address": "192.168.0.62", "prefix": "32"}}
    with pytest.raises(ExposureError, match="the virtual address 192.168.0.62 is in no subnet of the host"):
        vip_interface(facts(eth0=held), "192.168.0.62")


def test_several_subnets():
    with pytest.raises(ExposureError, match="is in the subnets of eth0, eth1: name the interface"):
        vip_interface(facts(eth0=ETH0, eth1=ETH0), "192.168.0.62")


def test_no_facts():
    with pytest.raises(ExposureError, match="gather the network facts"):
        vip_interface({}, "192.168.0.62")
