# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subsets in and out."""

from __future__ import annotations

from ansible_collections.mesh.expansion.plugins.module_utils._mesh.register.subsets import Port, entry, pack, unpack
from hypothesis import given
from hypothesis import strategies as st

ports = st.sampled_from([{"name": "http", "port": 80}, {"name": "udp-x", "port": 53, "protocol": "UDP"}, {"port": 9}])
addresses = st.sampled_from([{"ip": f"10.0.0.{n}"} for n in range(4)] + [{"ip": "10.0.0.9", "nodeName": "n1"}])
subsets = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "addresses": st.lists(addresses, max_size=3),
            "notReadyAddresses": st.lists(addresses, max_size=2),
            "ports": st.lists(ports, max_size=3),
        },
    ),
    max_size=4,
)


@given(subsets)
def test_packing_keeps_every_entry_and_adds_none(given_subsets):
    entries = unpack(given_subsets)
    assert unpack(pack(entries)) == entries


@given(subsets)
def test_packing_is_stable_and_lists_no_address_twice_per_port(given_subsets):
    packed = pack(unpack(given_subsets))
    assert pack(unpack(packed)) == packed
    seen = [
        (str(address), ready, str(port))
        for subset in packed
        for ready in ("addresses", "notReadyAddresses")
        for address in subset.get(ready, [])
        for port in subset.get("ports", [None])
    ]
    assert len(seen) == len(set(seen))


def test_a_repeated_address_counts_once():
    subset = {"addresses": [{"ip": "192.168.0.81"}] * 2, "ports": [{"name": "http", "port": 9080}]}
    assert unpack([subset]) == {entry("192.168.0.81", Port("http", 9080))}


def test_two_vms_with_different_ports():
    web, stock = Port("http", 9080), Port("grpc", 9443)
    packed = pack({entry("192.168.0.81", web), entry("192.168.0.82", web), entry("192.168.0.82", stock)})
    assert packed == [
        {
            "addresses": [{"ip": "192.168.0.82"}],
            "ports": [{"name": "grpc", "port": 9443, "protocol": "TCP"}],
        },
        {
            "addresses": [{"ip": "192.168.0.81"}, {"ip": "192.168.0.82"}],
            "ports": [{"name": "http", "port": 9080, "protocol": "TCP"}],
        },
    ]


def test_entries_know_their_address_and_port():
    item = entry("192.168.0.81", Port("udp-dns", 53))
    assert item.ip == "192.168.0.81"
    assert item.serves(Port("udp-dns", 53))
    assert not item.serves(Port("dns", 53))
