# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import zlib

import pytest

from lab.pods import spdy

# Written by the Framer of github.com/moby/spdystream v0.5.1 (NewFramer, then WriteFrame of one frame after the other).
GOLDEN: list[tuple[str, spdy.Frame | None]] = [
    (
        """800300010000003e00000001000000000000
        78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45e01c60616061c0c0c0c0590489c64c50f2663400000000ffff""",
        spdy.SynStream(1, {"streamtype": "error", "port": "8080", "requestid": "0"}),
    ),
    (
        "800300010100001800000003000000000000c2aa19540e2512d60b000000ffff",
        spdy.SynStream(3, {"streamtype": "data", "port": "8080", "requestid": "0"}, fin=True),
    ),
    ("800300020000000e000000016260606000000000ffff", spdy.SynReply(1)),
    ("80030008000000130000000102314018a49c39892119000000ffff", spdy.Headers(1, {"a": "b\0c"})),
    ("800300040000000c000000010000000700010000", None),  # SETTINGS
    ("80030009000000080000000100000005", None),  # WINDOW_UPDATE
    ("000000030000000568656c6c6f", spdy.Data(3, b"hello")),
    ("0000000101000000", spdy.Data(1, b"", fin=True)),
    ("800300060000000400000001", spdy.Ping(1)),
    ("80030003000000080000000300000005", spdy.RstStream(3, spdy.CANCEL)),
    ("80030007000000080000000300000000", spdy.GoAway(3, spdy.GOAWAY_OK)),
]
CAPTURED = b"".join(bytes.fromhex(text) for text, _frame in GOLDEN)
FRAMES = [frame for _text, frame in GOLDEN if frame is not None]


def feed(*pieces: bytes) -> list[spdy.Frame]:
    decoder = spdy.Decoder()
    return [frame for piece in pieces for frame in decoder.feed(piece)]


def test_the_dictionary_is_that_of_the_specification() -> None:
    """Every SPDY/3 stream of header blocks begins with the dictionary's checksum: 78 xx e3c6a7c2."""
    assert zlib.adler32(spdy.DICTIONARY) == 0xE3C6A7C2


def test_frames_of_another_implementation_are_read() -> None:
    assert feed(CAPTURED) == FRAMES


@pytest.mark.parametrize("cut", range(1, len(CAPTURED)))
def test_frames_may_be_cut_anywhere(cut: int) -> None:
    assert feed(CAPTURED[:cut], CAPTURED[cut:]) == FRAMES


def test_frames_may_come_byte_by_byte() -> None:
    assert feed(*(bytes([byte]) for byte in CAPTURED)) == FRAMES


def test_frames_without_headers_are_written_as_the_other_implementation_does() -> None:
    encoder = spdy.Encoder()
    for text, frame in GOLDEN:
        if isinstance(frame, spdy.Data | spdy.Ping | spdy.RstStream | spdy.GoAway):
            assert encoder.encode(frame).hex() == text


def test_header_blocks_of_one_direction_share_their_compression() -> None:
    encoder = spdy.Encoder()
    written = [encoder.encode(frame) for frame in FRAMES]
    assert feed(*written) == FRAMES
    assert len(written[1]) < len(written[0]) / 2
    with pytest.raises(spdy.SpdyError, match="decompressed"):
        feed(written[1])


def test_names_of_headers_are_in_lower_case_on_the_wire() -> None:
    written = spdy.Encoder().encode(spdy.SynStream(1, {"streamType": "Data"}))
    assert feed(written) == [spdy.SynStream(1, {"streamtype": "Data"})]


def block(plain: bytes) -> bytes:
    deflate = zlib.compressobj(zdict=spdy.DICTIONARY)
    return deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)


def control(kind: int, body: bytes, version: int = 3) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, len(body)) + body


def text(length: int) -> bytes:
    return struct.pack("!I", length) + bytes(length)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (control(6, b"\0\0\0\1", version=2), "version 2; 3 is spoken"),
        (struct.pack("!II", 1, spdy.MAX_FRAME + 1), "at most 1048576"),
        (control(6, b"\0\0"), "type 6 is too short"),
        (control(3, b"\0\0\0\1"), "type 3 is too short"),
        (control(2, b"\0\0\0\1" + b"not zlib"), "cannot be decompressed"),
        (control(2, b"\0\0\0\1" + block(b"\0\0\0\2" + text(1) * 2)), "type 2 is too short"),
        (control(2, b"\0\0\0\1" + block(b"\0\0\0\1\xff\xff\xff\xff")), "type 2 is too short"),
        (control(2, b"\0\0\0\1" + block(b"\0\0\0\1" + text(1) + text(1 << 20))), "more than 65536 bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "at most 1048576"),
    ],
)
def test_what_is_not_spdy_or_too_much_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(spdy.SpdyError, match=message):
        feed(data)
