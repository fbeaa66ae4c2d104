# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socketserver
import struct
import threading
import typing as t

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import dns, dns_client


def answer(
    query: bytes, addresses: t.Sequence[bytes] = (), rcode: int = 0, kind: int = 1, flags: int = 0x8180
) -> bytes:
    head = query[:2] + struct.pack("!HHHHH", flags | rcode, 1, len(addresses), 0, 0)
    records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in addresses)
    return head + query[12:] + records


def test_encode_and_decode() -> None:
    query = dns.encode(7, "istio-pilot.istio-system.", "A")
    assert query[12:] == b"\x0bistio-pilot\x0cistio-system\x00\x00\x01\x00\x01"
    found = dns.decode(answer(query, [b"\x0a\x00\x00\x02", b"\x0a\x00\x00\x01"]), 7, "A")
    assert found == dns.Answer("NOERROR", ("10.0.0.1", "10.0.0.2"), False)


def test_decode_passes_over_other_records() -> None:
    query = dns.encode(7, "a", "A")
    assert dns.decode(answer(query, [b"\x01b\x00"], kind=5), 7, "A").addresses == ()
    assert dns.decode(answer(query, rcode=3), 7, "A").rcode == "NXDOMAIN"
    assert dns.decode(answer(query, flags=0x8380), 7, "A").truncated
    six = dns.encode(7, "a", "AAAA")
    assert dns.decode(answer(six, [b"\x20\x01" + b"\0" * 13 + b"\1"], kind=28), 7, "AAAA").addresses == ("2001::1",)


@pytest.mark.parametrize("message", [b"", b"\0\7\x81", dns.encode(7, "a", "A"), answer(dns.encode(8, "a", "A"))])
def test_decode_refuses_what_is_not_the_answer(message: bytes) -> None:
    with pytest.raises(dns.DnsError):
        dns.decode(message, 7, "A")


def test_decode_refuses_a_cut_off_answer() -> None:
    whole = answer(dns.encode(7, "a", "A"), [b"\x0a\0\0\1"])
    for length in range(12, len(whole) - 4):
        with pytest.raises(dns.DnsError):
            dns.decode(whole[:length], 7, "A")


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64])
def test_encode_refuses(name: str) -> None:
    with pytest.raises((dns.DnsError, UnicodeError)):
        dns.encode(1, name, "A")


@pytest.mark.parametrize(
    ("found", "expect", "empty", "words"),
    [
        (dns.Answer("NOERROR", ("10.0.0.1",), False), None, False, None),
        (dns.Answer("NOERROR", ("10.0.0.1",), False), ["10.0.0.1"], False, None),
        (dns.Answer("NOERROR", ("10.0.0.1",), False), ["10.0.0.2"], False, "answers 10.0.0.1, expected 10.0.0.2"),
        (dns.Answer("NOERROR", ("10.0.0.1", "10.0.0.2"), False), ["10.0.0.2"], False, "expected 10.0.0.2"),
        (dns.Answer("NOERROR", (), False), None, False, "NOERROR without an address, expected an address"),
        (dns.Answer("NXDOMAIN", (), False), None, False, "answers NXDOMAIN"),
        (dns.Answer("NOERROR", (), False), None, True, None),
        (dns.Answer("NXDOMAIN", (), False), None, True, "answers NXDOMAIN, expected NOERROR"),
        (dns.Answer("NOERROR", ("2001::1",), False), None, True, "answers 2001::1, expected NOERROR"),
    ],
)
def test_problem(found: dns.Answer, expect: list[str] | None, empty: bool, words: str | None) -> None:
    said = dns.problem(found, expect, empty)
    assert said is None if words is None else said is not None and words in said


QUERY = {"name": "a", "type": "A", "expect": None, "empty": False}


def test_probe_asks_again_until_it_is_right() -> None:
    results: list[t.Any] = [
        OSError("refused"),
        dns.Answer("SERVFAIL", (), False),
        dns.Answer("NOERROR", ("10.0.0.1",), False),
    ]
    slept: list[float] = []

    def once() -> dns.Answer:
        item = results.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    assert [item["problem"] for item in dns_client.tries(QUERY, once, 5, slept.append)] == [
        "does not answer: refused",
        "answers SERVFAIL, expected an address",
        "",
    ]
    assert slept == [1, 1]


def test_probe_gives_up() -> None:
    def once() -> dns.Answer:
        raise TimeoutError

    answers = list(dns_client.tries(QUERY, once, 2, lambda dummy: None))
    assert [item["problem"] for item in answers] == ["does not answer in time"] * 2
    assert dns_client.said(answers[:1]) == "a (A) does not answer in time"


@pytest.fixture(name="port")
def _port() -> t.Iterator[int]:
    """A server whose UDP answers are truncated; over TCP it has the address."""

    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request[1].sendto(answer(self.request[0], flags=0x8380), self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (length,) = struct.unpack("!H", self.rfile.read(2))
            reply = answer(self.rfile.read(length), [b"\x0a\0\0\1"])
            self.wfile.write(struct.pack("!H", len(reply)) + reply)

    with (
        socketserver.TCPServer(("127.0.0.1", 0), Tcp) as tcp,
        socketserver.UDPServer(("127.0.0.1", tcp.server_address[1]), Udp) as udp,
    ):
        for server in (tcp, udp):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tcp.server_address[1]
        tcp.shutdown()
        udp.shutdown()


def test_ask_repeats_a_truncated_answer_over_tcp(port: int) -> None:
    assert dns_client.ask("127.0.0.1", port, "a", "A", "udp", 2) == dns.Answer("NOERROR", ("10.0.0.1",), False)
