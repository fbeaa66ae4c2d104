# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: no stable interface.
"""Just enough of DNS messages to ask one server one question. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
import typing as t

TYPES = {"A": 1, "AAAA": 28}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_HEADER = struct.Struct("!HHHHHH")
_RECURSION_DESIRED = 0x0100
_RESPONSE, _TRUNCATED = 0x8000, 0x0200


class DnsError(ValueError):
    """A name that cannot be asked for, or an answer that cannot be read."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a server said: the code, and the addresses of the wanted type."""

    rcode: str
    addresses: tuple[str, ...]
    truncated: bool


def encode(number: int, name: str, kind: str) -> bytes:
    """A query for the addresses of an absolute name."""
    question = b""
    for label in name.rstrip(".").split("."):
        raw = label.encode("idna") if label else b""
        if not 1 <= len(raw) <= 63:
            raise DnsError(f"{name!r} is not a host name")
        question += bytes([len(raw)]) + raw
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + question + b"\0" + struct.pack("!HH", TYPES[kind], 1)


def _skip_name(message: bytes, position: int) -> int:
    while True:
        length = message[position]
        if length == 0:
            return position + 1
        if length & 0xC0:
            return position + 2
        position += 1 + length


def decode(message: bytes, number: int, kind: str) -> Answer:
    """Read the answer to the query of this number."""
    try:
        found, flags, questions, answers, dummy, dummy = _HEADER.unpack_from(message)
        if found != number or not flags & _RESPONSE:
            raise DnsError("this is not the answer to the query")
        position = _HEADER.size
        for _dummy in range(questions):
            position = _skip_name(message, position) + 4
        addresses = []
        for dummy in range(answers):
            position = _skip_name(message, position)
            rtype, dummy, dummy, length = struct.unpack_from("!HHIH", message, position)
            position += 10
            data = message[position : position + length]
            if rtype == TYPES[kind]:
                addresses.append(str(ipaddress.ip_address(data)))
            position += length
    except (IndexError, struct.error, ValueError) as exc:
        raise DnsError(f"an answer that cannot be read: {exc}") from None
    code = flags & 0xF
    return Answer(RCODES.get(code, str(code)), tuple(sorted(addresses)), bool(flags & _TRUNCATED))


def problem(answer: Answer, expect: t.Sequence[str] | None, empty: bool) -> str | None:
    """Why an answer is not the wanted one, or None; without addresses to expect, any address will do."""
    said = ", ".join(answer.addresses) or answer.rcode + (" without an address" if answer.rcode == "NOERROR" else "")
    if empty:
        return (
            None
            if answer.rcode == "NOERROR" and not answer.addresses
            else f"answers {said}, expected NOERROR without an address"
        )
    if answer.rcode != "NOERROR" or not answer.addresses:
        return f"answers {said}, expected {', '.join(expect or []) or 'an address'}"
    wanted = tuple(sorted(str(ipaddress.ip_address(item)) for item in expect or []))
    if wanted and wanted != answer.addresses:
        return f"answers {said}, expected {', '.join(wanted)}"
    return None
