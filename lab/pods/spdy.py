# Part of the lab's stand-in for the kubelet: the frames of SPDY/3.1, which port-forward speaks.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes to frames and back, without input or output (draft-mbelshe-httpbis-spdy-00, section 2.6).

Each direction has one zlib context for its header blocks, so a connection needs one Encoder and one Decoder."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, PING, GOAWAY, HEADERS = 1, 2, 3, 6, 7, 8
FIN = 0x01
CONTROL = 0x8000
HEADER_LENGTH = 8

# Reasons of RST_STREAM and of GOAWAY.
PROTOCOL_ERROR, INVALID_STREAM, CANCEL = 1, 2, 5
GOAWAY_OK, GOAWAY_PROTOCOL_ERROR = 0, 1

# What a frame, and a header block when decompressed, may take in memory. The format allows 16 MiB; clients send 32 KiB.
MAX_FRAME = 1 << 20
MAX_HEADER_BLOCK = 1 << 16

# Section 2.6.10.1: words with their length in four bytes, then plain text.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _text(value: str) -> bytes:
    data = value.encode("latin-1")
    return struct.pack("!I", len(data)) + data


DICTIONARY = b"".join(_text(word.replace("_", " ")) for word in _WORDS.split()) + _TEXT.encode()


class SpdyError(Exception):
    """The bytes are not SPDY/3.1, or more than is taken."""


@dataclass(frozen=True)
class SynStream:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class SynReply:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Headers:
    stream: int
    headers: Mapping[str, str] = field(default_factory=dict)
    fin: bool = False


@dataclass(frozen=True)
class Data:
    stream: int
    data: bytes
    fin: bool = False


@dataclass(frozen=True)
class RstStream:
    stream: int
    status: int


@dataclass(frozen=True)
class Ping:
    number: int


@dataclass(frozen=True)
class GoAway:
    last_stream: int
    status: int


Frame = SynStream | SynReply | Headers | Data | RstStream | Ping | GoAway


def _control(kind: int, body: bytes, fin: bool = False) -> bytes:
    return struct.pack("!HHI", CONTROL | VERSION, kind, (FIN if fin else 0) << 24 | len(body)) + body


class Encoder:
    """Frames to bytes, for one direction of one connection: what it returns must be sent in the same order."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zdict=DICTIONARY)

    def encode(self, frame: Frame) -> bytes:
        match frame:
            case Data(stream, data, fin):
                return struct.pack("!II", stream, (FIN if fin else 0) << 24 | len(data)) + data
            case SynStream(stream, headers, fin):
                # Associated to no stream, highest priority, no credential slot.
                return _control(SYN_STREAM, struct.pack("!IIBB", stream, 0, 0, 0) + self._block(headers), fin)
            case SynReply(stream, headers, fin):
                return _control(SYN_REPLY, struct.pack("!I", stream) + self._block(headers), fin)
            case Headers(stream, headers, fin):
                return _control(HEADERS, struct.pack("!I", stream) + self._block(headers), fin)
            case RstStream(stream, status):
                return _control(RST_STREAM, struct.pack("!II", stream, status))
            case Ping(number):
                return _control(PING, struct.pack("!I", number))
            case GoAway(last_stream, status):
                return _control(GOAWAY, struct.pack("!II", last_stream, status))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        pairs = b"".join(_text(name.lower()) + _text(value) for name, value in headers.items())
        plain = struct.pack("!I", len(headers)) + pairs
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Decoder:
    """Bytes of one direction of one connection, in pieces of any size, to frames."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with this piece. Kinds that nobody here needs (SETTINGS …) are left out.

        Nothing is taken before the first frame is asked for: iterate to the end."""
        self._buffer += data
        while len(self._buffer) >= HEADER_LENGTH:
            first, second = struct.unpack_from("!II", self._buffer)
            length, flags = second & 0xFFFFFF, second >> 24
            if length > MAX_FRAME:
                raise SpdyError(f"a frame of {length} bytes; at most {MAX_FRAME} are taken")
            if len(self._buffer) < HEADER_LENGTH + length:
                return
            body = bytes(self._buffer[HEADER_LENGTH : HEADER_LENGTH + length])
            del self._buffer[: HEADER_LENGTH + length]
            if not first >> 31:
                yield Data(first, body, bool(flags & FIN))
                continue
            if first >> 16 != CONTROL | VERSION:
                raise SpdyError(f"a control frame of SPDY version {first >> 16 & 0x7FFF}; {VERSION} is spoken")
            frame = self._control(first & 0xFFFF, body, bool(flags & FIN))
            if frame is not None:
                yield frame

    def _control(self, kind: int, body: bytes, fin: bool) -> Frame | None:
        try:
            if kind == SYN_STREAM:
                return SynStream(_stream(body), self._headers(body[10:]), fin)
            if kind == SYN_REPLY:
                return SynReply(_stream(body), self._headers(body[4:]), fin)
            if kind == HEADERS:
                return Headers(_stream(body), self._headers(body[4:]), fin)
            if kind == RST_STREAM:
                return RstStream(_stream(body), *struct.unpack_from("!I", body, 4))
            if kind == PING:
                return Ping(*struct.unpack_from("!I", body))
            if kind == GOAWAY:
                return GoAway(_stream(body), *struct.unpack_from("!I", body, 4))
            return None
        except struct.error as error:
            raise SpdyError(f"a control frame of type {kind} is too short: {error}") from None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block, MAX_HEADER_BLOCK)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be decompressed: {error}") from None
        if self._inflate.unconsumed_tail:
            raise SpdyError(f"a header block of more than {MAX_HEADER_BLOCK} bytes")
        (count,) = struct.unpack_from("!I", plain)
        headers, position = {}, 4
        for _entry in range(count):
            name, position = _read_text(plain, position)
            value, position = _read_text(plain, position)
            headers[name.lower()] = value
        return headers


def _stream(body: bytes) -> int:
    (number,) = struct.unpack_from("!I", body)
    return int(number & 0x7FFFFFFF)


def _read_text(plain: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("!I", plain, position)
    (text,) = struct.unpack_from(f"!{length}s", plain, position + 4)
    return text.decode("latin-1"), position + 4 + length
