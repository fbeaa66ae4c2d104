"""The upstream DNS stand-in's answers."""

from __future__ import annotations

import struct

import pytest

from lab import upstream_dns


def query(name: str, kind: int = 1, flags: int = 0x0100) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, flags, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def header(response: bytes) -> tuple[int, ...]:
    return struct.unpack_from("!HHHHHH", response)


def test_ordinary_name() -> None:
    response = upstream_dns.answer(query("Example.COM"))
    assert header(response) == (7, 0x8180, 1, 1, 0, 0)
    assert response.endswith(bytes([93, 184, 216, 34]))


def test_cluster_names_do_not_exist() -> None:
    assert header(upstream_dns.answer(query("istio-pilot.istio-system.svc.cluster.local")))[1] & 15 == 3


def test_other_types_are_empty() -> None:
    assert header(upstream_dns.answer(query("example.com", kind=28)))[1:4] == (0x8180, 1, 0)


def test_large_answer_is_truncated_over_udp_only() -> None:
    short = upstream_dns.answer(query("large.example.com"), limit=512)
    assert header(short)[1] & 0x0200
    assert header(short)[3] == 0
    whole = upstream_dns.answer(query("large.example.com"))
    assert not header(whole)[1] & 0x0200
    assert header(whole)[3] == 60


@pytest.mark.parametrize("cut", [12, 15, 24])
def test_broken_query_is_refused(cut: int) -> None:
    assert header(upstream_dns.answer(query("example.com")[:cut]))[1] & 15 == 1


def test_noise_is_ignored() -> None:
    assert upstream_dns.answer(b"noise") == b""
