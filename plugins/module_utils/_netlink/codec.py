# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and attributes of netlink: bytes in, values out, without a socket. Private to the collection.

The decoder trusts nothing: whatever the bytes are, it ends, and raises nothing but DecodeError.
"""

from __future__ import annotations

import operator
import struct
import typing as t

from .errors import DecodeError

HEADER = struct.Struct("=IHHII")
GENERIC_HEADER = struct.Struct("=BBH")
ATTRIBUTE = struct.Struct("=HH")
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
    return ATTRIBUTE.pack(size, kind) + payload + b"\0" * (-size % 4)


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


class _Layout(t.NamedTuple):
    """How to take a block of a certain size apart in one go."""

    form: struct.Struct
    headers: tuple[bytes, ...]
    pick: t.Callable[[tuple[t.Any, ...]], tuple[t.Any, ...]]


class AttributeReader:
    """Reads blocks of attributes into tuples: values in the order in which the reader was told the
    attributes, None for a missing one.

    A struct code says the exact size that a value must have. `text` is a NUL-terminated string, `raw` anything.
    Attributes with other numbers are passed over: newer kernels add some.
    All messages of a dump are alike, so the layout of a block is kept, and the next block is taken apart by a single
    call. A block that differs in any header is walked attribute by attribute.
    """

    def __init__(self, kinds: t.Mapping[int, str]) -> None:
        self._kinds = dict(kinds)
        self._places = {number: place for place, number in enumerate(kinds)}
        self._texts = [(place, number) for place, (number, kind) in enumerate(kinds.items()) if kind == "text"]
        self._layouts: dict[int, _Layout] = {}

    def read(self, buffer: bytes | bytearray, start: int, end: int | None = None) -> tuple[t.Any, ...]:
        if end is None:
            end = len(buffer)
        layout = self._layouts.get(end - start)
        if layout is not None:
            values = layout.form.unpack_from(buffer, start)
            if values[0::2] == layout.headers:
                return self._with_texts(layout.pick((*values, None)))
        return self._walk(buffer, start, end)

    def _walk(self, buffer: bytes | bytearray, start: int, end: int) -> tuple[t.Any, ...]:
        found: list[t.Any] = [None] * len(self._kinds)
        headers: list[bytes] = []
        codes: list[str] = []
        # Where the value of each attribute will be among those of the layout: headers and values take turns.
        sources = [-1] * len(self._kinds)
        offset = start
        while offset < end:
            if end - offset < 4:
                raise DecodeError(f"{end - offset} bytes are too few for an attribute header")
            length, number = ATTRIBUTE.unpack_from(buffer, offset)
            if length < 4 or length > end - offset:
                raise DecodeError(f"attribute {number} claims {length} of {end - offset} bytes")
            number &= _TYPE_MASK
            form = self._form(number, length - 4)
            padding = min(-length % 4, end - offset - length)
            if number in self._places:
                place = self._places[number]
                if sources[place] >= 0:
                    raise DecodeError(f"attribute {number} comes twice")
                sources[place] = 2 * len(headers) + 1
                found[place] = struct.unpack_from("=" + form, buffer, offset + 4)[0]
            headers.append(bytes(buffer[offset : offset + 4]))
            codes.append(f"4s{form}{padding}x")
            offset += length + padding
        # Names make a handful of layouts; the bound is for hostile input only.
        if len(self._layouts) < 64:
            self._layouts[end - start] = _Layout(struct.Struct("=" + "".join(codes)), tuple(headers), _picker(sources))
        return self._with_texts(tuple(found))

    def _form(self, number: int, size: int) -> str:
        kind = self._kinds.get(number, "raw")
        if kind in ("text", "raw"):
            return f"{size}s"
        if struct.calcsize("=" + kind) != size:
            raise DecodeError(f"attribute {number} has {size} bytes instead of {struct.calcsize('=' + kind)}")
        return kind

    def _with_texts(self, values: tuple[t.Any, ...]) -> tuple[t.Any, ...]:
        if not self._texts:
            return values
        changed = list(values)
        for place, number in self._texts:
            if changed[place] is not None:
                changed[place] = _string(changed[place], number)
        return tuple(changed)


def _picker(sources: t.Sequence[int]) -> t.Callable[[tuple[t.Any, ...]], tuple[t.Any, ...]]:
    """Picks several values; the last one, None, for what is not there."""
    if len(sources) == 1:
        only = sources[0]
        return lambda values: (values[only],)
    return operator.itemgetter(*sources)


def _string(value: bytes, number: int) -> str:
    head, nul, _rest = value.partition(b"\0")
    if not nul:
        raise DecodeError(f"the string of attribute {number} has no end")
    try:
        return head.decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError(f"the string of attribute {number} is not ASCII") from None
