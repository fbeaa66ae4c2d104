# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful stand-in for the kernel's IPVS behind a netlink socket, with the kernel's errors.
Shares no code with the collection."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from typing import Any

FAMILY = 28
CTRL = 16
EMPTY_STATS64 = struct.pack("=HH", 4, 0x000C)

NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = range(1, 9)
DEL_DAEMON, GET_DAEMON, GET_CONFIG, SET_INFO, GET_INFO = 10, 11, 13, 14, 15
SERVICE, DEST, DAEMON = 1, 2, 3


def attributes(block: bytes) -> dict[int, bytes]:
    found = {}
    while block:
        length, kind = struct.unpack_from("=HH", block)
        assert 4 <= length <= len(block), "malformed request"
        found[kind & 0x3FFF] = block[4:length]
        block = block[(length + 3) & ~3 :]
    return found


def attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("=HH", len(payload) + 4, kind) + payload + b"\0" * (-len(payload) % 4)


class Refusal(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.errno = number


class FakeKernel:
    """The table, what may go wrong, and a record of what was asked."""

    def __init__(self) -> None:
        self.services: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.schedulers = {"rr", "wrr", "lc", "wlc", "sh", "mh", "dh"}
        self.engines = {"sip"}
        self.loaded = True
        self.permitted = True
        # What happens before the n-th send (from 1), like another writer at work.
        self.interventions: dict[int, Callable[[FakeKernel], None]] = {}
        # More errors at once than this overrun the receive buffer.
        self.reply_limit = 380
        # States of the sync daemons that run: 1 is master, 2 is backup.
        self.daemons = [1]
        self.sends: list[list[int]] = []
        self.reads = 0
        # Which places the next lists of services leave out.
        self.skipped: list[set[int]] = []
        self.connections: dict[tuple[Any, Any], tuple[int, int, int]] = {}

    def open(self, _timeout: float) -> FakeSocket:
        return FakeSocket(self)

    @property
    def writes(self) -> list[int]:
        return [command for batch in self.sends for command in batch if command < GET_DEST and command != GET_SERVICE]

    def handle(self, kind: int, payload: bytes) -> list[bytes]:
        command = payload[0]
        if kind == CTRL:
            wanted = attributes(payload[4:])[2]
            if not self.loaded or wanted != b"IPVS\0":
                raise Refusal(errno.ENOENT)
            return [payload[:4] + attribute(2, wanted) + attribute(1, struct.pack("=H", FAMILY))]
        if kind != FAMILY or not self.loaded:
            raise Refusal(errno.ENOENT)
        if not self.permitted:
            raise Refusal(errno.EPERM)
        nests = {number: attributes(value) for number, value in attributes(payload[4:]).items()}
        if command == DEL_DAEMON:
            return self._stop(*struct.unpack("=I", nests[DAEMON][1]))
        return getattr(self, f"_do_{command}")(nests.get(SERVICE, {}), nests.get(DEST, {}))

    @staticmethod
    def _key(service: dict[int, bytes]) -> tuple[Any, ...]:
        family = struct.unpack("=H", service[1])[0]
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise Refusal(errno.EAFNOSUPPORT)
        if 5 in service:
            return (family, struct.unpack("=I", service[5])[0])
        return (family, struct.unpack("=H", service[2])[0], service[3], service[4])

    def _full(self, service: dict[int, bytes], old_flags: int) -> dict[str, Any]:
        if any(number not in service for number in (6, 7, 8, 9)):
            raise Refusal(errno.EINVAL)
        if service[6].rstrip(b"\0").decode() not in self.schedulers:
            raise Refusal(errno.ENOENT)
        if 11 in service and service[11].rstrip(b"\0").decode() not in self.engines:
            raise Refusal(errno.ENOENT)
        if service[1] == struct.pack("=H", socket.AF_INET6) and not 1 <= struct.unpack("=I", service[9])[0] <= 128:
            raise Refusal(errno.EINVAL)
        flags, mask = struct.unpack("=II", service[7])
        return {
            "scheduler": service[6],
            "flags": (old_flags & ~mask) | (flags & mask) | 2,
            "timeout": service[8],
            "netmask": service[9],
            "engine": service.get(11),
        }

    def _found(self, service: dict[int, bytes]) -> dict[str, Any]:
        try:
            return self.services[self._key(service)]
        except KeyError:
            raise Refusal(errno.ESRCH) from None

    def _do_1(self, service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        if self._key(service) in self.services:
            raise Refusal(errno.EEXIST)
        self.services[self._key(service)] = {**self._full(service, 0), "dests": {}}
        return []

    def _do_2(self, service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        found = self._found(service)
        found.update(self._full(service, found["flags"]))
        return []

    def _do_3(self, service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        self._found(service)
        del self.services[self._key(service)]
        return []

    def _do_4(self, _service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        replies = []
        skipped = self.skipped.pop(0) if self.skipped else set()
        for place, (key, found) in enumerate(self.services.items()):
            if place in skipped:
                continue
            parts = attribute(1, struct.pack("=H", key[0]))
            if len(key) == 2:
                parts += attribute(5, struct.pack("=I", key[1]))
            else:
                parts += attribute(2, struct.pack("=H", key[1])) + attribute(3, key[2]) + attribute(4, key[3])
            parts += attribute(6, found["scheduler"]) + (attribute(11, found["engine"]) if found["engine"] else b"")
            parts += (
                attribute(7, struct.pack("=II", found["flags"], 0xFFFFFFFF))
                + attribute(8, found["timeout"])
                + attribute(9, found["netmask"])
            )
            parts += attribute(
                12, b"".join(attribute(number, struct.pack("=Q", 2**40 + number)) for number in range(1, 11))
            )
            replies.append(bytes([NEW_SERVICE, 1, 0, 0]) + attribute(SERVICE, parts))
        return replies

    @staticmethod
    def _dest_values(service: dict[int, bytes], dest: dict[int, bytes], needed: tuple[int, ...]) -> dict[str, Any]:
        if any(number not in dest for number in (1, 2, *needed)):
            raise Refusal(errno.EINVAL)
        values = {"family": dest.get(11, service[1])}
        for name, number, default in (("method", 3, 0), ("weight", 4, 0), ("upper", 5, 0), ("lower", 6, 0)):
            values[name] = struct.unpack("=I", dest[number])[0] if number in dest else default
        values["method"] &= 7
        values.update(tunnel=dest.get(13, b"\0"), port=dest.get(14, b"\0\0"), flags=dest.get(15, b"\0\0"))
        if values["weight"] > 2**31 - 1 or values["upper"] < values["lower"]:
            raise Refusal(errno.ERANGE)
        if values["family"] != service[1] and values["method"] != 2:
            raise Refusal(errno.EINVAL)
        if values["tunnel"] == b"\1" and values["port"] == b"\0\0":
            raise Refusal(errno.EINVAL)
        if not any(dest[1]) or dest[1][0] == 0xFF:
            raise Refusal(errno.EINVAL)
        return values

    def _do_5(self, service: dict[int, bytes], dest: dict[int, bytes]) -> list[bytes]:
        found = self._found(service)
        values = self._dest_values(service, dest, (3, 4, 5, 6))
        if (dest[1], dest[2]) in found["dests"]:
            raise Refusal(errno.EEXIST)
        # The newest comes first.
        found["dests"] = {(dest[1], dest[2]): values, **found["dests"]}
        return []

    def _do_6(self, service: dict[int, bytes], dest: dict[int, bytes]) -> list[bytes]:
        found = self._found(service)
        values = self._dest_values(service, dest, (3, 4, 5, 6))
        if (dest[1], dest[2]) not in found["dests"]:
            raise Refusal(errno.ENOENT)
        found["dests"][dest[1], dest[2]] = values
        return []

    def _do_7(self, service: dict[int, bytes], dest: dict[int, bytes]) -> list[bytes]:
        found = self._found(service)
        if found["dests"].pop((dest[1], dest[2]), None) is None:
            raise Refusal(errno.ENOENT)
        return []

    def _do_8(self, service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        # Of a service that is not there: empty.
        found = self.services.get(self._key(service), {"dests": {}})
        replies = []
        for (address, port), values in found["dests"].items():
            parts = attribute(1, address) + attribute(2, port)
            for name, number in (("method", 3), ("weight", 4), ("upper", 5), ("lower", 6)):
                parts += attribute(number, struct.pack("=I", values[name]))
            counts = self.connections.get((self._key(service), (address, port)), (0, 0, 0))
            for number, count in zip((7, 8, 9), counts, strict=True):
                parts += attribute(number, struct.pack("=I", count))
            parts += attribute(11, values["family"]) + attribute(12, b"")
            parts += attribute(13, values["tunnel"]) + attribute(14, values["port"]) + attribute(15, values["flags"])
            replies.append(bytes([NEW_DEST, 1, 0, 0]) + attribute(DEST, parts))
        return replies

    def _stop(self, state: int) -> list[bytes]:
        if state not in self.daemons:
            raise Refusal(errno.ESRCH)
        self.daemons.remove(state)
        return []

    def _do_11(self, _service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        rest = attribute(2, b"eth0\0") + attribute(3, struct.pack("=I", 5))
        states = [attribute(1, struct.pack("=I", state)) for state in self.daemons]
        return [bytes([9, 1, 0, 0]) + attribute(DAEMON, state + rest) for state in states]

    def _do_13(self, _service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        return [
            bytes([12, 1, 0, 0])
            + b"".join(attribute(4 + index, struct.pack("=I", value)) for index, value in enumerate((900, 120, 300)))
        ]

    def _do_15(self, _service: dict[int, bytes], _dest: dict[int, bytes]) -> list[bytes]:
        return [
            bytes([SET_INFO, 1, 0, 0])
            + attribute(1, struct.pack("=I", 0x10201))
            + attribute(2, struct.pack("=I", 4096))
        ]


class FakeSocket:
    """Datagrams as the kernel makes them: several messages of a dump in one, each error in its own."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel
        self._queue: list[bytes] = []
        self._overrun = False
        self.closed = False

    def getsockopt(self, _level: int, _option: int) -> int:
        return 212992

    def close(self) -> None:
        self.closed = True

    def send(self, data: bytes) -> int:
        assert not self.closed
        kernel = self._kernel
        if len(data) > 212992 - 32:
            raise OSError(errno.EMSGSIZE, "too long")
        kernel.sends.append([])
        kernel.interventions.pop(len(kernel.sends), lambda _kernel: None)(kernel)
        size, errors = len(data), 0
        while data:
            length, kind, flags, sequence, _port = struct.unpack_from("=IHHII", data)
            assert 20 <= length <= len(data), "the kernel drops such a message without a word"
            assert length % 4 == 0
            payload, data = data[16:length], data[length:]
            if kind == FAMILY:
                kernel.sends[-1].append(payload[0])
            number, replies = 0, []
            try:
                replies = kernel.handle(kind, payload)
            except Refusal as refusal:
                number = refusal.errno
            dump = flags & 0x300 == 0x300
            if replies:
                self._queue += self._datagrams(replies, kind, sequence, 2 if dump else 0)
            if number or (flags & 4 and not dump):
                errors += 1
                self._queue.append(
                    struct.pack("=IHHIIi", 36, 2, 0x100, sequence, 4711, -number)
                    + struct.pack("=IHHII", length, kind, flags, sequence, 4711)
                )
            elif dump:
                self._queue.append(struct.pack("=IHHIIi", 20, 3, 2, sequence, 4711, 0))
        self._overrun = errors > kernel.reply_limit
        return size

    @staticmethod
    def _datagrams(replies: list[bytes], kind: int, sequence: int, flags: int) -> list[bytes]:
        messages = [struct.pack("=IHHII", len(reply) + 16, kind, flags, sequence, 4711) + reply for reply in replies]
        return [b"".join(messages[index : index + 7]) for index in range(0, len(messages), 7)]

    def recvmsg_into(self, buffers: list[bytearray]) -> tuple[int, list[Any], int, tuple[int, int]]:
        self._kernel.reads += 1
        if self._overrun:
            self._overrun, self._queue = False, []
            raise OSError(errno.ENOBUFS, "overrun")
        if not self._queue:
            raise BlockingIOError(errno.EAGAIN, "nothing comes")
        datagram = self._queue.pop(0)
        buffers[0][: len(datagram)] = datagram
        return len(datagram), [], 0, (0, 0)
