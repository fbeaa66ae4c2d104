# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent is, byte by byte, what ipvsadm sends; what the kernel replies is read as ipvsadm prints it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import codec, model, options, plan
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.errors import DecodeError
from hypothesis import given
from hypothesis import strategies as st

GOLDEN = Path(__file__).parents[2] / "fixtures/ipvs/golden.txt"
VIP = "192.168.0.62:53"
SERVICE_HEADER = 4 + 4


def golden() -> dict[str, tuple[list[bytes], list[bytes]]]:
    """Requests and replies by command."""
    found: dict[str, tuple[list[bytes], list[bytes]]] = {}
    command = ""
    for line in GOLDEN.read_text().splitlines():
        if line.startswith("$ ipvsadm "):
            command = line.removeprefix("$ ipvsadm ")
            found[command] = ([], [])
        elif line[0] in "><":
            found[command]["><".index(line[0])].append(bytes.fromhex(line[2:]))
    return found


CAPTURED = golden()


def wanted(**values: object) -> Wanted:
    return options.parse_service(values)


def server(text: str, service: Wanted, **values: object) -> model.RealServer:
    parsed = options.parse_service({**key_option(service), "real_servers": [{"real_server": text, **values}]})
    assert parsed.servers is not None
    return parsed.servers[0].server


def key_option(service: Wanted) -> dict[str, object]:
    made = options.to_options(model.Entry(service.service, {}))
    return {name: made[name] for name in (*options.KEY_OPTIONS, "ipv6") if name in made}


TCP = wanted(tcp_service=VIP)
UDP6 = wanted(
    udp_service="[2001:db8::62]:53",
    scheduler="sh",
    sched_flags=["sh-port", "sh-fallback"],
    persistent=60,
    netmask="64",
    ops=True,
)
MARK = wanted(fwmark_service=7, scheduler="mh", sched_flags=["mh-port"])
MARK6 = wanted(fwmark_service=8, ipv6=True, scheduler="rr")
SIP = wanted(udp_service="192.168.0.62:5060", scheduler="rr", persistent=60, netmask="255.255.255.0", pe="sip")

SERVICES = [
    ("-A -t 192.168.0.62:53 -s wrr -p 300", plan.ADD_SERVICE, wanted(tcp_service=VIP, scheduler="wrr", persistent=300)),
    ("-E -t 192.168.0.62:53 -s wlc", plan.SET_SERVICE, TCP),
    ("-A -u [2001:db8::62]:53 -s sh -b sh-port,sh-fallback -p 60 -M 64 -o", plan.ADD_SERVICE, UDP6),
    ("-A -f 7 -s mh -b mh-port", plan.ADD_SERVICE, MARK),
    ("-A -f 8 -6 -s rr", plan.ADD_SERVICE, MARK6),
    (
        "-A --sctp-service 192.168.0.62:99 -s rr",
        plan.ADD_SERVICE,
        wanted(sctp_service="192.168.0.62:99", scheduler="rr"),
    ),
    ("-A -u 192.168.0.62:5060 -s rr -p 60 -M 255.255.255.0 --pe sip", plan.ADD_SERVICE, SIP),
]

GUE = {"forwarding": "ipip", "tun_type": "gue", "tun_port": 6080, "tun_flags": "csum"}
SERVERS = [
    (
        "-a -t 192.168.0.62:53 -r 192.168.0.71:53 -g -w 5 -x 100 -y 50",
        plan.ADD_SERVER,
        TCP,
        server("192.168.0.71:53", TCP, weight=5, u_threshold=100, l_threshold=50),
    ),
    (
        "-e -t 192.168.0.62:53 -r 192.168.0.71:53 -i --tun-type gue --tun-port 6080 --tun-csum -w 0",
        plan.SET_SERVER,
        TCP,
        server("192.168.0.71:53", TCP, weight=0, **GUE),
    ),
    (
        "-a -t 192.168.0.62:53 -r [2001:db8::1]:53 -i -w 3",
        plan.ADD_SERVER,
        TCP,
        server("[2001:db8::1]:53", TCP, forwarding="ipip", weight=3),
    ),
    (
        "-a -t 192.168.0.62:53 -r 192.168.0.72:53 -i --tun-type gre --tun-csum",
        plan.ADD_SERVER,
        TCP,
        server("192.168.0.72:53", TCP, forwarding="ipip", tun_type="gre", tun_flags="csum"),
    ),
    (
        "-a -u [2001:db8::62]:53 -r [2001:db8::71]:5353 -m -w 65535",
        plan.ADD_SERVER,
        UDP6,
        server("[2001:db8::71]:5353", UDP6, forwarding="masquerading", weight=65535),
    ),
    ("-a -f 7 -r 192.168.0.71 -g -w 1", plan.ADD_SERVER, MARK, server("192.168.0.71", MARK)),
    ("-d -t 192.168.0.62:53 -r 192.168.0.71:53", plan.DELETE_SERVER, TCP, server("192.168.0.71:53", TCP)),
]


@pytest.mark.parametrize(("command", "kind", "service"), SERVICES, ids=[case[0] for case in SERVICES])
def test_a_service_is_sent_as_ipvsadm_sends_it(command: str, kind: str, service: Wanted) -> None:
    (request,), _replies = CAPTURED[command]
    assert codec.encode(plan.Operation(kind, service.service)).hex() == request.hex()


@pytest.mark.parametrize(("command", "kind", "service", "real"), SERVERS, ids=[case[0] for case in SERVERS])
def test_a_real_server_is_sent_as_ipvsadm_sends_it(
    command: str, kind: str, service: Wanted, real: model.RealServer
) -> None:
    """But of the service only what it is found by:
    the kernel looks at nothing else, and ipvsadm sends made-up values there."""
    (request,), _replies = CAPTURED[command]
    ours = codec.encode(plan.Operation(kind, service.service, real))
    assert ours[:4] == request[:4]
    ours_service, ours_server = ours[4 : 4 + nest_size(ours)], ours[4 + nest_size(ours) :]
    their_service, their_server = request[4 : 4 + nest_size(request)], request[4 + nest_size(request) :]
    assert ours_server.hex() == their_server.hex()
    assert their_service[4:].startswith(ours_service[4:])


@pytest.mark.parametrize(("command", "service"), [("-D -t 192.168.0.62:53", TCP), ("-D -f 8 -6", MARK6)])
def test_a_deletion_names_the_service_as_ipvsadm_names_it(command: str, service: Wanted) -> None:
    (request,), _replies = CAPTURED[command]
    ours = codec.encode(plan.Operation(plan.DELETE_SERVICE, service.service))
    assert ours[:4] == request[:4]
    assert request[8:].startswith(ours[8:])


def nest_size(payload: bytes) -> int:
    return int.from_bytes(payload[4:6], "little")


def test_reads_are_sent_as_ipvsadm_sends_them() -> None:
    requests, _replies = CAPTURED["-S -n"]
    keys = [TCP, SIP, wanted(sctp_service="192.168.0.62:99"), UDP6, MARK, MARK6]
    assert requests == [codec.command(codec.GET_SERVICE)] + [codec.get_servers(one.service.key) for one in keys]
    assert CAPTURED["-L --timeout"][0] == [codec.command(codec.GET_CONFIG)]
    assert CAPTURED["-L --daemon"][0] == [codec.command(codec.GET_DAEMON)]


def test_replies_are_read_as_they_were_meant() -> None:
    decoder = codec.ReplyDecoder()
    _requests, replies = CAPTURED["-S -n"]
    services = [decoder.service(reply, 4, len(reply)) for reply in replies if reply[0] == codec.NEW_SERVICE]
    assert set(services) == {
        TCP.service,
        SIP.service,
        UDP6.service,
        MARK.service,
        MARK6.service,
        wanted(sctp_service="192.168.0.62:99", scheduler="rr").service,
    }
    families = [2, 2, 2, 10, 2]
    servers = [
        decoder.server(reply, 4, len(reply), family)
        for reply, family in zip((reply for reply in replies if reply[0] == codec.NEW_DEST), families, strict=True)
    ]
    assert servers == [SERVERS[3][3], SERVERS[2][3], SERVERS[1][3], SERVERS[4][3], SERVERS[5][3]]
    (reply,) = CAPTURED["-L --timeout"][1]
    assert decoder.timeouts(reply, 4, len(reply)) == {"tcp": 100, "tcp_fin": 50, "udp": 30}


def test_states_come_with_counters() -> None:
    decoder = codec.ReplyDecoder()
    reply = next(reply for reply in CAPTURED["-S -n"][1] if reply[0] == codec.NEW_DEST)
    state = decoder.server_state(reply, 4, len(reply), 2)
    assert state.connections == model.Connections(0, 0, 0)
    assert state.statistics["in_bytes"] == 0
    assert len(state.statistics) == 10


def test_a_server_without_family_is_of_the_services_family() -> None:
    reply = bytearray(next(reply for reply in CAPTURED["-S -n"][1] if reply[0] == codec.NEW_DEST))
    found = codec.ReplyDecoder().server(reply, 4, len(reply), 2)
    offset = reply.index(bytes.fromhex("06000b000200"))
    # An attribute that nobody knows takes its place.
    reply[offset + 2] = 99
    assert codec.ReplyDecoder().server(reply, 4, len(reply), 2) == found


DECODERS = ["service", "service_state", "timeouts", "info", "daemon"]
REPLIES = [reply for _requests, replies in CAPTURED.values() for reply in replies]


def decode_all(reply: bytes) -> None:
    decoder = codec.ReplyDecoder()
    for _time in range(2):
        for name in DECODERS:
            with contextlib.suppress(DecodeError):
                getattr(decoder, name)(reply, 0, len(reply))
        for family in (2, 10):
            with contextlib.suppress(DecodeError):
                decoder.server_state(reply, 0, len(reply), family)


@given(st.binary(max_size=300))
def test_random_replies_are_read_or_refused(reply: bytes) -> None:
    decode_all(reply)


@given(st.sampled_from(REPLIES), st.data())
def test_damaged_replies_are_read_or_refused(reply: bytes, data: st.DataObject) -> None:
    damaged = bytearray(reply[4:])
    for _time in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    decode_all(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
