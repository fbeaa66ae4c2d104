# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options mean, and what is refused, with the entry named."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import model, options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import ValidationError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import Wanted
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.ipvs_strategies import tables

VIP = "192.168.0.62:53"
RS = "192.168.0.71:53"


def entry_of(wanted: Wanted) -> model.Entry:
    return model.Entry(wanted.service, {one.server.key: one.server for one in wanted.servers or ()})


def test_defaults_are_ipvsadms() -> None:
    wanted = options.parse_service({"tcp_service": VIP, "real_servers": [{"real_server": RS}]})
    assert entry_of(wanted).lines() == [f"-A -t {VIP} -s wlc", f"-a -t {VIP} -r {RS} -g -w 1"]


def test_every_option() -> None:
    wanted = options.parse_services(
        [
            {
                "udp_service": VIP,
                "scheduler": "mh",
                "sched_flags": ["mh-port", "mh-fallback", "flag-3"],
                "ops": True,
                "persistent": 10,
                "netmask": "/24",
                "pe": "sip",
                "real_servers": [
                    {
                        "real_server": RS,
                        "forwarding": "masquerading",
                        "weight": 2**31 - 1,
                        "u_threshold": 2**31 - 1,
                        "l_threshold": 7,
                    },
                    {
                        "real_server": "[2001:db8::1]:53",
                        "forwarding": "ipip",
                        "tun_type": "gue",
                        "tun_port": 1,
                        "tun_flags": "remcsum",
                    },
                    {
                        "real_server": "192.168.0.72:53",
                        "forwarding": "ipip",
                        "tun_type": "gre",
                        "tun_flags": "csum",
                        "weight": 0,
                    },
                ],
            },
            {"sctp_service": "[2001:db8::62]:0", "persistent": 1, "netmask": "64"},
            {
                "fwmark_service": 2**32 - 1,
                "ipv6": True,
                "ops": True,
                "real_servers": [{"real_server": "[2001:db8::1]:99"}, {"real_server": "2001:db8::2"}],
            },
        ]
    )
    assert [line for one in wanted for line in entry_of(one).lines()] == [
        f"-A -u {VIP} -s mh -p 10 -M 255.255.255.0 --pe sip -o -b mh-fallback,mh-port,flag-3",
        f"-a -u {VIP} -r {RS} -m -w 2147483647 -x 2147483647 -y 7",
        f"-a -u {VIP} -r 192.168.0.72:53 -i -w 0 --tun-type gre --tun-csum",
        f"-a -u {VIP} -r [2001:db8::1]:53 -i -w 1 --tun-type gue --tun-port 1 --tun-remcsum",
        "-A --sctp-service [2001:db8::62]:0 -s wlc -p 1 -M 64",
        "-A -f 4294967295 -6 -s wlc -o",
        "-a -f 4294967295 -6 -r [2001:db8::1]:99 -g -w 1",
        "-a -f 4294967295 -6 -r [2001:db8::2]:0 -g -w 1",
    ]


def test_a_server_without_port_has_the_services() -> None:
    wanted = options.parse_service({"tcp_service": VIP, "real_servers": [{"real_server": "192.168.0.71"}]})
    assert wanted.servers is not None
    assert wanted.servers[0].server.port == 53


def test_addresses_are_the_same_however_written() -> None:
    one = options.parse_service({"tcp_service": "[2001:0db8:0::0:1]:80"})
    other = options.parse_service({"tcp_service": "[2001:DB8::1]:80"})
    assert one == other


@pytest.mark.parametrize(
    ("mask", "value"),
    [
        (None, 0xFFFFFFFF),
        ("24", 0xFFFFFF00),
        ("255.255.0.0", 0xFFFF0000),
        ("255.0.255.0", 0xFF00FF00),
        ("/32", 0xFFFFFFFF),
    ],
)
def test_masks(mask: str | None, value: int) -> None:
    assert options.parse_service({"tcp_service": VIP, "persistent": 1, "netmask": mask}).service.netmask == value


REFUSED_SERVICES: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of"),
    ({"tcp_service": VIP, "udp_service": VIP}, "exactly one of .* not tcp_service, udp_service"),
    ({"tcp_service": "192.168.0.62"}, "has no port"),
    ({"tcp_service": "192.168.0.62:"}, "empty port"),
    ({"tcp_service": "192.168.0.62:65536"}, "is not a port"),
    ({"tcp_service": "192.168.0.62:dns"}, "is not a port"),
    ({"tcp_service": "192.168.0.62:-1"}, "is not a port"),
    ({"tcp_service": "vip:53"}, "names are not looked up"),
    ({"tcp_service": "192.168.0.999:53"}, "is not an IPv4 or IPv6 address"),
    ({"tcp_service": "[192.168.0.62]:53"}, "only an IPv6 address stands in brackets"),
    ({"tcp_service": "[2001:db8::1"}, "is not of the form"),
    ({"tcp_service": "[2001:db8::1]53"}, "is not of the form"),
    ({"tcp_service": "[2001:db8::1]:"}, "empty port"),
    ({"tcp_service": "[fe80::1%eth0]:53"}, "is not an IPv4 or IPv6 address"),
    ({"tcp_service": "224.0.0.1:53"}, "multicast"),
    ({"tcp_service": 53}, "is missing"),
    ({"tcp_service": "192.168.0.62:0"}, "port 0 .* set persistent"),
    ({"fwmark_service": 0}, "fwmark_service 0 is not between 1 and 4294967295"),
    ({"fwmark_service": 2**32}, "fwmark_service 4294967296 is not between"),
    ({"fwmark_service": True}, "not a whole number"),
    ({"tcp_service": VIP, "ipv6": True}, "ipv6 is for fwmark_service only"),
    ({"tcp_service": VIP, "ops": True}, "ops is for udp_service"),
    ({"sctp_service": VIP, "ops": True}, "ops is for udp_service"),
    ({"udp_service": VIP, "ops": 1}, "neither true nor false"),
    ({"tcp_service": VIP, "persistent": -1}, "persistent -1 is not between"),
    ({"tcp_service": VIP, "persistent": 31 * 86400 + 1}, "persistent 2678401 is not between"),
    ({"tcp_service": VIP, "persistent": "300"}, "not a whole number"),
    ({"tcp_service": VIP, "netmask": "33"}, "not a prefix length between 1 and 32"),
    ({"tcp_service": VIP, "netmask": "255.255"}, "neither a mask"),
    ({"tcp_service": "[2001:db8::62]:53", "netmask": "129"}, "not a prefix length between 1 and 128"),
    ({"tcp_service": "[2001:db8::62]:53", "netmask": "0"}, "not a prefix length between 1 and 128"),
    ({"tcp_service": "[2001:db8::62]:53", "netmask": "255.255.255.0"}, "as IPv6 needs it"),
    ({"tcp_service": VIP, "scheduler": ""}, "scheduler must not be empty"),
    ({"tcp_service": VIP, "scheduler": "sixteen_letters_"}, "longer than 15"),
    ({"tcp_service": VIP, "scheduler": "w rr"}, "is not a name"),
    ({"tcp_service": VIP, "scheduler": 5}, "is not a name"),
    ({"tcp_service": VIP, "pe": "sip\0"}, "is not a name"),
    (
        {"tcp_service": VIP, "scheduler": "wrr", "sched_flags": ["sh-port"]},
        "'sh-port' is not a flag of the scheduler wrr",
    ),
    ({"tcp_service": VIP, "sched_flags": "sh-port"}, "sched_flags must be a list"),
    ({"tcp_service": VIP, "sched_flags": [["sh-port"]]}, "is not a flag of the scheduler"),
    ({"tcp_service": VIP, "schedular": "wrr"}, "unknown option schedular"),
    ({"tcp_service": VIP, "real_servers": {}}, "real_servers must be a list"),
]

REFUSED_SERVERS: list[tuple[dict[str, Any], str]] = [
    ({}, "real_server is missing"),
    ({"real_server": "192.168.0.71:54"}, "port 54 differs from the service's port 53, but gatewaying"),
    ({"real_server": "192.168.0.71:54", "forwarding": "ipip"}, "port 54 differs"),
    ({"real_server": "[2001:db8::1]:53"}, "only forwarding ipip can bridge"),
    ({"real_server": "[2001:db8::1]:53", "forwarding": "masquerading"}, "only forwarding ipip can bridge"),
    ({"real_server": RS, "forwarding": "nat"}, "'nat' is not one of"),
    ({"real_server": RS, "weight": -1}, "weight -1 is not between"),
    ({"real_server": RS, "weight": 2**31}, "weight 2147483648 is not between"),
    ({"real_server": RS, "u_threshold": 5, "l_threshold": 6}, "l_threshold 6 is above u_threshold 5"),
    ({"real_server": RS, "l_threshold": 1}, "l_threshold 1 is above u_threshold 0"),
    ({"real_server": RS, "u_threshold": 2**31}, "is not between"),
    ({"real_server": RS, "tun_type": "gre"}, "are for forwarding ipip, not gatewaying"),
    ({"real_server": RS, "forwarding": "masquerading", "tun_port": 5}, "are for forwarding ipip"),
    ({"real_server": RS, "forwarding": "ipip", "tun_flags": "csum"}, "does not go with tun_type ipip"),
    (
        {"real_server": RS, "forwarding": "ipip", "tun_type": "gre", "tun_flags": "remcsum"},
        "does not go with tun_type gre",
    ),
    ({"real_server": RS, "forwarding": "ipip", "tun_type": "gue"}, "gue needs tun_port"),
    ({"real_server": RS, "forwarding": "ipip", "tun_type": "gue", "tun_port": 0}, "tun_port 0 is not between"),
    ({"real_server": RS, "forwarding": "ipip", "tun_type": "gre", "tun_port": 5}, "tun_port is for tun_type gue"),
    ({"real_server": RS, "state": "gone"}, "'gone' is not one of"),
    ({"real_server": RS, "tun_type": []}, "is not one of"),
    ({"real_server": "224.0.0.1:53"}, "unicast"),
    ({"real_server": "0.0.0.0:53"}, "unicast"),
    ({"real_server": "255.255.255.255:53"}, "unicast"),
    ({"real_server": "[fe80::1]:53", "forwarding": "ipip"}, "not link-local"),
    ({"real_server": "[ff02::1]:53", "forwarding": "ipip"}, "unicast"),
    ({"real_server": RS, "wieght": 3}, "unknown option wieght"),
]


@pytest.mark.parametrize(("entry", "reason"), REFUSED_SERVICES)
def test_wrong_services_are_refused(entry: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as caught:
        options.parse_services([{"udp_service": "192.168.0.1:1"}, entry])
    assert caught.value.problems[0].startswith("services[1]")


@pytest.mark.parametrize(("server", "reason"), REFUSED_SERVERS)
def test_wrong_real_servers_are_refused(server: dict[str, Any], reason: str) -> None:
    entry = {"tcp_service": VIP, "real_servers": [{"real_server": "192.168.0.79:53"}, server]}
    with pytest.raises(ValidationError, match=reason) as caught:
        options.parse_services([entry])
    assert caught.value.problems[0].startswith(f"services[0] (-t {VIP}): real_servers[1]")
    if server.get("real_server"):
        assert server["real_server"] in caught.value.problems[0]


def test_duplicates_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        options.parse_services(
            [
                {
                    "tcp_service": "[2001:db8::1]:80",
                    "real_servers": [{"real_server": "[2001:db8::2]:80"}, {"real_server": "[2001:db8:0::2]"}],
                },
                {"udp_service": "[2001:db8::1]:80"},
                {"tcp_service": "[2001:DB8:0::1]:80"},
            ]
        )
    assert caught.value.problems == [
        (
            "services[0] (-t [2001:db8::1]:80): real_servers[1] ([2001:db8::2]:80): "
            "the same real server is in real_servers[0]: remove one"
        ),
        "services[2] (-t [2001:db8::1]:80): the same virtual service is in services[0]: merge the two",
    ]


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        options.parse_services(
            [
                {"tcp_service": "x:1"},
                {"tcp_service": VIP, "real_servers": [{"real_server": RS, "weight": -1}, {"real_server": "y"}]},
                "z",
            ]
        )
    assert len(caught.value.problems) == 4


def test_entries_must_be_a_list() -> None:
    with pytest.raises(ValidationError):
        options.parse_services({"tcp_service": VIP})
    with pytest.raises(ValidationError):
        options.parse_service("tcp_service")


def test_of_an_absent_service_only_the_key_counts() -> None:
    wanted = options.parse_absent({"tcp_service": "192.168.0.62:0", "scheduler": "", "real_servers": [{}]})
    assert (wanted.state, str(wanted.service.key)) == ("absent", "-t 192.168.0.62:0")
    with pytest.raises(ValidationError):
        options.parse_absent({})


@pytest.mark.parametrize("state", ["drained", "absent"])
def test_of_a_leaving_server_only_the_key_counts(state: str) -> None:
    wanted = options.parse_service(
        {"tcp_service": VIP, "real_servers": [{"real_server": "192.168.0.71:99", "weight": -5, "state": state}]}
    )
    assert wanted.servers is not None
    assert (wanted.servers[0].state, wanted.servers[0].server.name) == (state, "192.168.0.71:99")


def test_addresses() -> None:
    assert options.parse_addresses(None) == []
    assert options.parse_addresses(["192.168.0.62", "2001:db8::1"]) == [
        socket.inet_aton("192.168.0.62"),
        socket.inet_pton(socket.AF_INET6, "2001:db8::1"),
    ]
    with pytest.raises(ValidationError, match=r"vips\[1\]: .*'vip'"):
        options.parse_addresses(["192.168.0.62", "vip"])


@given(tables())
def test_written_options_mean_the_same(table: list[dict[str, Any]]) -> None:
    for wanted in options.parse_services(table):
        entry = entry_of(wanted)
        assert entry_of(options.parse_service(options.to_options(entry))) == entry


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*options.SERVICE_DEFAULTS, *options.SERVER_DEFAULTS, "x"]), inner, max_size=5
        )
    ),
)


@given(JSON)
def test_anything_is_parsed_or_refused(value: Any) -> None:
    with contextlib.suppress(ValidationError):
        options.parse_services([value])
