# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and attributes of netlink: bytes in, values out, without a socket. Private to the collection.

The decoder trusts nothing: whatever the bytes are, it ends, and raises nothing but DecodeError.
"""

from __future__ import annotations

import struct
import typing as t

from .errors import DecodeError

HEADER = struct.Struct("=IHHII")
GENERIC_HEADER = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_CODE = struct.Struct("=i")

NLMSG_NOOP = 1
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSG_OVERRUN = 4

NLM_F_REQUEST = 0x1
NLM_F_MULTI = 0x2
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300

NLA_F_NESTED = 0x8000
_TYPE_MASK = 0x3FFF


def attribute(kind: int, payload: bytes) -> bytes:
    size = len(payload) + 4
    return _ATTRIBUTE.pack(size, kind) + payload + b"\0" * (-size % 4)


def nested(kind: int, payload: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, payload)


def text(value: str) -> bytes:
    """A string as the kernel wants it: with the NUL that ends it."""
    return value.encode("ascii") + b"\0"


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    size = HEADER.size + len(payload)
    # The sender's port is 0: the kernel fills it in.
    return HEADER.pack(size, kind, flags, sequence, 0) + payload + b"\0" * (-size % 4)


class Message(t.NamedTuple):
    """A message inside a buffer; its payload lies between start and end."""

    kind: int
    flags: int
    sequence: int
    start: int
    end: int


def messages(buffer: bytes | bytearray, size: int) -> t.Iterator[Message]:
    offset = 0
    while offset < size:
        if size - offset < HEADER.size:
            raise DecodeError(f"{size - offset} bytes at offset {offset} are too few for a message header")
        length, kind, flags, sequence, _port = HEADER.unpack_from(buffer, offset)
        if length < HEADER.size or length > size - offset:
            raise DecodeError(f"a message at offset {offset} claims {length} of {size - offset} bytes")
        yield Message(kind, flags, sequence, offset + HEADER.size, offset + length)
        offset += (length + 3) & ~3


def code(buffer: bytes | bytearray, start: int, end: int) -> int:
    """The errno (0 for none) at the head of an NLMSG_ERROR or NLMSG_DONE payload."""
    if end - start < _CODE.size:
        raise DecodeError(f"{end - start} bytes are too few for an error code")
    value = _CODE.unpack_from(buffer, start)[0]
    if value > 0 or value < -4095:
        raise DecodeError(f"{value} is not an error code")
    return -value


def generic_payload(buffer: bytes | bytearray, start: int, end: int) -> int:
    """Where the attributes of a generic netlink message begin."""
    if end - start < GENERIC_HEADER.size:
        raise DecodeError(f"{end - start} bytes are too few for a generic netlink header")
    return start + GENERIC_HEADER.size


class AttributeReader:
    """Reads blocks of attributes whose value types are known by attribute number.

    All messages of a dump are alike, so the layout of a block is kept, and the next block is taken apart by a single call.
    A block that differs in any header is walked attribute by attribute.
    A struct code says the exact size that a value must have. `text` is a NUL-terminated string, `raw` anything.
    Attributes with other numbers are passed over: newer kernels add some.
    """

    def __init__(self, kinds: t.Mapping[int, str]) -> None:
        self._kinds = dict(kinds)
        self._layouts: dict[int, tuple[struct.Struct, tuple[bytes, ...], tuple[int, ...], tuple[int, ...]]] = {}

    def read(self, buffer: bytes | bytearray, start: int, end: int | None = None) -> dict[int, t.Any]:
        if end is None:
            end = len(buffer)
        known = self._layouts.get(end - start)
        if known is not None:
            layout, headers, numbers, texts = known
            values = layout.unpack_from(buffer, start)
            if values[0::2] == headers:
                result = dict(zip(numbers, values[1::2]))
                for number in texts:
                    result[number] = _string(result[number], number)
                # 0 stands for attributes that nobody asked for.
                result.pop(0, None)
                return result
        return self._walk(buffer, start, end)

    def _walk(self, buffer: bytes | bytearray, start: int, end: int) -> dict[int, t.Any]:
        result: dict[int, t.Any] = {}
        headers: list[bytes] = []
        numbers: list[int] = []
        codes: list[str] = []
        offset = start
        while offset < end:
            if end - offset < 4:
                raise DecodeError(f"{end - offset} bytes are too few for an attribute header")
            length, number = _ATTRIBUTE.unpack_from(buffer, offset)
            if length < 4 or length > end - offset:
                raise DecodeError(f"attribute {number} claims {length} of {end - offset} bytes")
            number &= _TYPE_MASK
            size = length - 4
            kind = self._kinds.get(number)
            exact = kind not in (None, "text", "raw")
            if exact and struct.calcsize("=" + str(kind)) != size:
                raise DecodeError(f"attribute {number} has {size} bytes instead of {struct.calcsize('=' + str(kind))}")
            if kind and number in result:
                raise DecodeError(f"attribute {number} comes twice")
            form = str(kind) if exact else f"{size}s"
            padding = min(-length % 4, end - offset - length)
            headers.append(bytes(buffer[offset : offset + 4]))
            numbers.append(number if kind else 0)
            codes.append(f"4s{form}{padding}x")
            if kind:
                value = struct.unpack_from("=" + form, buffer, offset + 4)[0]
                result[number] = _string(value, number) if kind == "text" else value
            offset += length + padding
        texts = tuple(number for number in result if self._kinds[number] == "text")
        # Names make a handful of layouts; the bound is for hostile input only.
        if len(self._layouts) < 64:
            self._layouts[end - start] = (struct.Struct("=" + "".join(codes)), tuple(headers), tuple(numbers), texts)
        return result


def _string(value: bytes, number: int) -> str:
    head, nul, _rest = value.partition(b"\0")
    if not nul:
        raise DecodeError(f"the string of attribute {number} has no end")
    try:
        return head.decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError(f"the string of attribute {number} is not ASCII") from None
