# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and attributes: what is packed is found again, and nothing malformed gets through."""

from __future__ import annotations

import contextlib
import struct

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._netlink import codec
from ansible_collections.mesh.expansion.plugins.module_utils._netlink.errors import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

KINDS = {1: "I", 2: "H", 3: "text", 4: "raw", 5: "16s", 6: "Q"}


def test_attributes_are_padded_to_four_bytes() -> None:
    assert codec.attribute(2, b"\x01\x02") == bytes.fromhex("0600020001020000")
    assert codec.attribute(2, b"") == bytes.fromhex("04000200")
    assert codec.nested(1, codec.attribute(2, b"\x01")) == bytes.fromhex("0c000180 0500020001000000".replace(" ", ""))


def test_text_ends_with_nul() -> None:
    assert codec.text("IPVS") == b"IPVS\0"


def test_a_block_is_read_alike_the_first_and_the_next_time() -> None:
    reader = codec.AttributeReader(KINDS)
    for value in (7, 8, 9):
        block = b"".join(
            (
                codec.attribute(9, b"unknown"),
                codec.attribute(1, struct.pack("=I", value)),
                codec.attribute(3, b"wrr\0"),
                codec.attribute(9, b"again"),
            )
        )
        assert reader.read(b"pad!" + block, 4) == (value, None, "wrr", None, None, None)


def test_same_length_with_other_headers_is_not_mistaken() -> None:
    reader = codec.AttributeReader({1: "I", 2: "I"})
    assert reader.read(codec.attribute(1, struct.pack("=I", 5)), 0) == (5, None)
    assert reader.read(codec.attribute(2, struct.pack("=I", 5)), 0) == (None, 5)


def test_flags_in_the_type_do_not_count() -> None:
    assert codec.AttributeReader({4: "raw"}).read(codec.nested(4, b"abcd"), 0) == (b"abcd",)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"\x04", "too few"),
        (struct.pack("=HH", 3, 1), "claims 3"),
        (struct.pack("=HH", 9, 1) + b"1234", "claims 9"),
        (codec.attribute(1, b"12"), "2 bytes instead of 4"),
        (codec.attribute(1, b"1234") * 2, "twice"),
        (codec.attribute(3, b"abc"), "no end"),
        (codec.attribute(3, b"\xff\0"), "not ASCII"),
    ],
)
def test_malformed_blocks_are_refused(block: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        codec.AttributeReader(KINDS).read(block, 0)


def test_messages_are_found_one_after_the_other() -> None:
    buffer = codec.message(28, 1, 5, b"abcde") + codec.message(3, 2, 6, b"")
    first, second = codec.messages(buffer, len(buffer))
    assert (first.kind, first.flags, first.sequence, buffer[first.start : first.end]) == (28, 1, 5, b"abcde")
    assert (second.kind, second.sequence, second.start, second.end) == (3, 6, len(buffer), len(buffer))


@pytest.mark.parametrize(
    ("buffer", "reason"),
    [
        (b"x" * 15, "too few"),
        (struct.pack("=IHHII", 15, 1, 0, 0, 0), "claims 15"),
        (struct.pack("=IHHII", 17, 1, 0, 0, 0), "claims 17"),
    ],
)
def test_malformed_messages_are_refused(buffer: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        list(codec.messages(buffer, len(buffer)))


def test_codes_are_errnos() -> None:
    assert codec.code(struct.pack("=i", -17), 0, 4) == 17
    for block in (struct.pack("=i", 1), struct.pack("=i", -5000), b"abc"):
        with pytest.raises(DecodeError):
            codec.code(block, 0, len(block))


def test_a_generic_header_is_needed() -> None:
    assert codec.generic_payload(b"1234", 0, 4) == 4
    with pytest.raises(DecodeError):
        codec.generic_payload(b"123", 0, 3)


@given(st.lists(st.binary(max_size=200), max_size=8))
@example([struct.pack("=HH", 4, 0) * 50])
def test_no_bytes_lead_to_anything_but_a_result_or_a_decode_error(blocks: list[bytes]) -> None:
    reader = codec.AttributeReader(KINDS)
    for block in blocks:
        for _time in range(2):
            with contextlib.suppress(DecodeError):
                assert len(reader.read(block, 0)) == len(KINDS)
        with contextlib.suppress(DecodeError):
            for message in codec.messages(block, len(block)):
                assert 0 <= message.start <= message.end <= len(block)
                codec.code(block, message.start, message.end)


@given(st.dictionaries(st.integers(1, 12), st.binary(max_size=20), max_size=6), st.data())
def test_truncated_and_flipped_blocks(values: dict[int, bytes], data: st.DataObject) -> None:
    block = bytearray(b"".join(codec.attribute(number, value) for number, value in values.items()))
    reader = codec.AttributeReader(dict.fromkeys(range(1, 6), "raw"))
    assert reader.read(block, 0) == tuple(values.get(number) for number in range(1, 6))
    if block:
        del block[data.draw(st.integers(0, len(block))) :]
    if block:
        block[data.draw(st.integers(0, len(block) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(DecodeError):
        reader.read(block, 0)
