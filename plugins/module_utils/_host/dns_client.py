# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks one name server, past resolv.conf and hosts. Private to the collection."""

from __future__ import annotations

import random
import socket
import struct
import typing as t

from . import dns


def _read_exactly(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.recv(count - len(data))
        if not part:
            raise OSError("the connection ended early")
        data += part
    return data


def ask(server: str, port: int, name: str, kind: str, protocol: str, timeout: float) -> dns.Answer:
    """One query and its answer."""
    number = random.randrange(1 << 16)
    query = dns.encode(number, name, kind)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    if protocol == "tcp":
        with socket.create_connection((server, port), timeout=timeout) as stream:
            stream.sendall(struct.pack("!H", len(query)) + query)
            (length,) = struct.unpack("!H", _read_exactly(stream, 2))
            return dns.decode(_read_exactly(stream, length), number, kind)
    with socket.socket(family, socket.SOCK_DGRAM) as packets:
        packets.settimeout(timeout)
        packets.connect((server, port))
        packets.send(query)
        answer = dns.decode(packets.recv(65535), number, kind)
    return ask(server, port, name, kind, "tcp", timeout) if answer.truncated else answer


def tries(
    query: t.Mapping[str, t.Any], ask_once: t.Callable[[], dns.Answer], attempts: int, sleep: t.Callable[[float], None]
) -> t.Iterator[dict[str, t.Any]]:
    """What each attempt gave, until the answer is the expected one or no attempt is left."""
    for attempt in range(max(1, attempts)):
        if attempt:
            sleep(1)
        result: dict[str, t.Any] = {"name": query["name"], "type": query["type"], "rcode": "", "addresses": []}
        try:
            answer = ask_once()
        # A name that idna cannot encode is a UnicodeError.
        except (OSError, dns.DnsError, UnicodeError) as exc:
            result["problem"] = (
                "does not answer in time" if isinstance(exc, socket.timeout) else f"does not answer: {exc}"
            )
            yield result
            continue
        problem = dns.problem(answer, query["expect"], query["empty"])
        result.update(rcode=answer.rcode, addresses=list(answer.addresses), problem=problem or "")
        yield result
        if not problem:
            return


def said(answers: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """What is wrong with these answers; nothing when all are right."""
    return "; ".join(f"{item['name']} ({item['type']}) {item['problem']}" for item in answers if item["problem"])
