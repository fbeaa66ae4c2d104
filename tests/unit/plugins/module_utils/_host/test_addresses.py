# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import json

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import addresses
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._host.vip import Place, places

from tests.unit.plugins.fake_host import Host

VIP = ipaddress.ip_address("192.168.0.62")


def place(interface: str, text: str) -> Place:
    address, _slash, prefix = text.partition("/")
    return Place(interface, ipaddress.ip_address(address), int(prefix))


def home(*found: Place, address: str = "192.168.0.62") -> list[str]:
    return addresses.home_of(found, ipaddress.ip_address(address))


def test_what_ip_says() -> None:
    info = {"family": "inet6", "local": "fd00:0::61", "prefixlen": 64, "tentative": True, "dynamic": True}
    links = [{"ifname": "eth0", "addr_info": [{}, info]}, {"ifname": "tun0"}, {}]
    assert places(links) == [Place("eth0", ipaddress.ip_address("fd00::61"), 64, ("tentative",))]
    assert addresses.interfaces(links) == ["eth0", "tun0"]


def test_the_host_is_asked(host: Host) -> None:
    links = [{"ifname": "eth0", "addr_info": [{"local": "192.168.0.62", "prefixlen": 32}]}]
    host.program("ip", f"echo '{json.dumps(links)}'")
    assert addresses.look() == (["eth0"], [place("eth0", "192.168.0.62/32")])
    host.program("ip", "echo '1: lo: <LOOPBACK>'")
    with pytest.raises(HostError, match="gives no JSON .*: this takes iproute2 4.12 or later"):
        addresses.look()


def test_an_address_is_at_home_in_its_subnet() -> None:
    assert home(place("eth1", "10.0.0.1/8"), place("br-lan", "192.168.0.61/24")) == ["br-lan"]
    assert home(place("eth1", "fd00::61/64"), place("eth0", "192.168.0.61/24"), address="fd00::62") == ["eth1"]


def test_the_longer_prefix_wins() -> None:
    assert home(place("eth0", "192.168.0.61/24"), place("eth1", "192.168.1.1/16")) == ["eth0"]


def test_the_held_address_is_no_subnet() -> None:
    assert home(place("eth0", "192.168.0.62/32")) == []


def test_several_subnets_are_all_named() -> None:
    assert home(place("eth1", "192.168.0.61/24"), place("eth0", "192.168.0.60/24")) == ["eth0", "eth1"]


def test_an_address_that_is_none() -> None:
    with pytest.raises(HostError, match="vip is 'x'; it must be an IP address"):
        addresses.parse("x", "vip")


def test_taking_an_address_off_and_putting_it_back(host: Host) -> None:
    host.program("ip")
    step = addresses.Remove(place("eth0", "192.168.0.62/32"))
    assert str(step) == "take 192.168.0.62/32 off eth0"
    step.undo()()
    step.run()
    assert host.calls() == [
        "ip address replace 192.168.0.62/32 dev eth0",
        "ip address delete 192.168.0.62/32 dev eth0",
    ]
