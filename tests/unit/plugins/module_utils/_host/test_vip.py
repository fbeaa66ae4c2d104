# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import json
import struct

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import vip

MAC = bytes.fromhex("020000000061")
VIP4 = ipaddress.ip_address("192.168.0.62")
VIP6 = ipaddress.ip_address("fd00::62")


class FakeHost:
    """What `ip` and /sys/class/net say about a host, and what was done to it."""

    def __init__(self, addresses=(), operstate="up"):
        self.addresses = [dict(zip(("ifname", "local", "prefixlen"), item, strict=True)) for item in addresses]
        self.operstate = operstate
        self.commands = []

    def ip(self, *arguments):
        self.commands.append(" ".join(arguments))
        if arguments[:2] == ("address", "add"):
            local, prefix = arguments[2].split("/")
            self.addresses.append({"ifname": arguments[4], "local": local, "prefixlen": int(prefix)})
            return ""
        links = [{"ifname": item["ifname"], "addr_info": [item]} for item in self.addresses]
        return json.dumps(links)

    def read(self, interface, name):
        return self.operstate if name == "operstate" else "02:00:00:00:00:61"


@pytest.fixture
def host(monkeypatch):
    fake = FakeHost()
    monkeypatch.setattr(vip, "_ip", fake.ip)
    monkeypatch.setattr(vip, "_read", fake.read)
    return fake


def test_gratuitous_arp_frame():
    frame = vip.arp_frame(vip.REQUEST, MAC, VIP4.packed, VIP4.packed)
    assert (
        frame.hex()
        == "ffffffffffff0200000000610806" + "0001080006040001" + "020000000061c0a8003e" + "000000000000c0a8003e"
    )


def test_sender_of_a_frame():
    assert vip.arp_sender(vip.arp_frame(vip.REPLY, MAC, VIP4.packed, VIP4.packed)) == (MAC, VIP4.packed)


@pytest.mark.parametrize("frame", [b"", bytes(41), bytes(60), vip.arp_frame(1, MAC, bytes(4), bytes(4))[:30]])
def test_what_is_no_arp_has_no_sender(frame):
    assert vip.arp_sender(frame) is None


def test_neighbour_advertisement():
    packet = vip.advertisement(VIP6, MAC)
    assert struct.unpack("!BBHI", packet[:8]) == (136, 0, 0, 0x20000000)
    assert packet[8:24] == VIP6.packed
    assert packet[24:] == b"\x02\x01" + MAC


def test_hold_adds_a_host_address(host):
    vip.hold(VIP4, "eth0")
    assert "address add 192.168.0.62/32 dev eth0" in host.commands


def test_hold_adds_an_ipv6_host_address(host):
    vip.hold(VIP6, "eth0")
    assert "address add fd00::62/128 dev eth0" in host.commands


def test_hold_leaves_what_is_there(host):
    host.addresses = [{"ifname": "eth0", "local": "192.168.0.62", "prefixlen": 32}]
    vip.hold(VIP4, "eth0")
    assert set(host.commands) == {"-j address show"}


@pytest.mark.parametrize("item", [("eth1", 32), ("eth0", 24)])
def test_hold_refuses_an_address_that_is_elsewhere(host, item):
    host.addresses = [{"ifname": item[0], "local": "192.168.0.62", "prefixlen": item[1]}]
    with pytest.raises(vip.VipError, match=f"192.168.0.62/{item[1]} is on {item[0]}: remove it there"):
        vip.hold(VIP4, "eth0")
    assert not any("address add" in command for command in host.commands)


def test_hold_notices_a_duplicate(host):
    host.addresses = [{"ifname": "eth0", "local": "fd00::62", "prefixlen": 128, "dadfailed": True}]
    with pytest.raises(vip.VipError, match="another host answers for fd00::62"):
        vip.hold(VIP6, "eth0")


def test_wait_until_up(host):
    vip.wait_until_up("eth0", 0)
    host.operstate = "down"
    with pytest.raises(vip.VipError, match="interface eth0 is down after 0 s"):
        vip.wait_until_up("eth0", 0)


def test_main_reports_an_error(host, capsys):
    host.operstate = ""
    assert vip.main(["hold", "192.168.0.62", "eth9", "--timeout", "0.01"]) == 1
    assert "virtual address 192.168.0.62 on eth9: interface eth9 is absent after 0.01 s" in capsys.readouterr().err
