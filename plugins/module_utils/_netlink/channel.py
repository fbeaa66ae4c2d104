# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A generic netlink socket: dumps, single requests, and batches with one acknowledgement. Private to the collection."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import socket
import struct
import subprocess
import time
import typing as t

from . import codec
from .errors import (
    DecodeError,
    FamilyMissingError,
    KernelError,
    NetlinkError,
    NoReplyError,
    OverrunError,
    SystemCallError,
)

_NETLINK_GENERIC = 16
_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_SO_RCVBUFFORCE = 33
_RECEIVE_BUFFER = 4 << 20
# The kernel fills at most 32 KiB per read.
_READ_SIZE = 1 << 17
_REPLIES_PER_LOOK = 64

_GENL_ID_CTRL = 16
_CTRL_CMD_GETFAMILY = 3
_CTRL_ATTR_FAMILY_ID = 1
_CTRL_ATTR_FAMILY_NAME = 2

T = t.TypeVar("T")
Decode = t.Callable[[bytearray, int, int], T]


def open_socket(timeout: float) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_GENERIC)
    except OSError as exc:
        raise SystemCallError("to open a generic netlink socket", exc.errno or errno.EIO) from exc
    try:
        # A timeout of the kernel's, not of Python's: that one would poll before every read.
        limit = struct.pack("@ll", int(timeout), int(timeout % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        sock.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        # Only a reserve: a full buffer is noticed and survived.
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        sock.bind((0, 0))
    except OSError as exc:
        sock.close()
        raise SystemCallError("to set up a generic netlink socket", exc.errno or errno.EIO) from exc
    return sock


class Channel:
    """One request at a time. After an error the socket is closed, so that no late reply can be taken for an answer."""

    def __init__(self, timeout: float = 10.0, opener: t.Callable[[float], socket.socket] = open_socket) -> None:
        self._timeout = timeout
        self._opener = opener
        self._socket: socket.socket | None = None
        self._buffer = bytearray(_READ_SIZE)
        self._sequence = 0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def family(self, name: str, module: str | None = None) -> int:
        """The number of a family; loads the kernel module if the kernel itself does not find
        it by the family's name."""
        try:
            return self._family(name)
        except FamilyMissingError:
            if module is None or not _load(module):
                raise
        return self._family(name)

    def _family(self, name: str) -> int:
        payload = codec.GENERIC_HEADER.pack(_CTRL_CMD_GETFAMILY, 1, 0) + codec.attribute(
            _CTRL_ATTR_FAMILY_NAME, codec.text(name)
        )
        reader = codec.AttributeReader({_CTRL_ATTR_FAMILY_ID: "H"})
        try:
            found = self.call(_GENL_ID_CTRL, payload, reader.read, f"look up the netlink family {name}")
        except KernelError as exc:
            if exc.errno == errno.ENOENT:
                raise FamilyMissingError(f"the kernel has no netlink family {name}") from exc
            raise
        if len(found) != 1 or found[0][0] is None:
            raise DecodeError(f"the reply about the netlink family {name} does not hold its number")
        (number,) = found[0]
        if number < _GENL_ID_CTRL:
            raise DecodeError(f"{number} is not the number of a netlink family")
        return int(number)

    def call(self, family: int, payload: bytes, decode: Decode[T], attempt: str) -> list[T]:
        """Replies to a request that is not a dump; the acknowledgement ends them."""
        return self._collect(family, codec.NLM_F_ACK, payload, decode, attempt)

    def dump(self, family: int, payload: bytes, decode: Decode[T], attempt: str) -> list[T]:
        return self._collect(family, codec.NLM_F_DUMP, payload, decode, attempt)

    def _collect(self, family: int, flags: int, payload: bytes, decode: Decode[T], attempt: str) -> list[T]:
        found: list[T] = []
        try:
            sequence = self._send(family, flags, (payload,))
            for message in self._replies(sequence, 1):
                if message.kind == family:
                    start = codec.generic_payload(self._buffer, message.start, message.end)
                    found.append(decode(self._buffer, start, message.end))
                elif message.kind in (codec.NLMSG_DONE, codec.NLMSG_ERROR):
                    number = codec.code(self._buffer, message.start, message.end)
                    if number:
                        raise KernelError(attempt, number)
                    return found
            raise NoReplyError(f"the kernel did not finish its answer to a request to {attempt}")
        except KernelError:
            # A complete answer.
            raise
        except NetlinkError:
            self.close()
            raise

    def batch(self, family: int, payloads: t.Sequence[bytes]) -> list[int]:
        """Sends all requests at once and returns an errno (0 for success) for each of them.

        The kernel works on them in order, goes on after a failure and always reports it. So the acknowledgement of the
        last says that all of them are done. After an OverrunError or NoReplyError nobody knows which of them were.
        """
        results = [0] * len(payloads)
        try:
            first = self._send(family, codec.NLM_F_ACK, payloads)
            for message in self._replies(first, len(payloads)):
                if message.kind == codec.NLMSG_ERROR:
                    index = message.sequence - first
                    results[index] = codec.code(self._buffer, message.start, message.end)
                    if index == len(payloads) - 1:
                        return results
            raise NoReplyError(f"the kernel did not acknowledge {len(payloads)} requests")
        except NetlinkError:
            self.close()
            raise

    def send_limit(self) -> int:
        """How many bytes one send can take."""
        # The kernel keeps 32 bytes of the send buffer for itself.
        return int(self._open().getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)) - 32

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._opener(self._timeout)
            self._sequence = 0
        return self._socket

    def _send(self, family: int, flags: int, payloads: t.Sequence[bytes]) -> int:
        """Returns the sequence number of the first request. The flags are those of the last;
        the others are silent on success."""
        sock = self._open()
        first = self._sequence + 1
        self._sequence += len(payloads)
        silent = codec.NLM_F_REQUEST
        parts = [codec.message(family, silent, first + index, payload) for index, payload in enumerate(payloads[:-1])]
        parts.append(codec.message(family, silent | flags, self._sequence, payloads[-1]))
        data = b"".join(parts)
        try:
            sent = sock.send(data)
        except OSError as exc:
            raise SystemCallError(f"to send {len(data)} bytes to the kernel", exc.errno or errno.EIO) from exc
        if sent != len(data):
            raise SystemCallError(f"to send {len(data)} bytes to the kernel at once", errno.EMSGSIZE)
        return first

    def _replies(self, first: int, count: int) -> t.Iterator[codec.Message]:
        """Messages that answer the requests; those of earlier requests and of other senders are passed over."""
        deadline: float | None = None
        for number in itertools.count(1):
            answered = False
            for message in codec.messages(self._buffer, self._receive()):
                if 0 <= message.sequence - first < count:
                    answered = True
                    yield message
            # Asking for the time can cost as much as reading a reply, so it is not done for each that answers.
            if answered and number % _REPLIES_PER_LOOK:
                continue
            now = time.monotonic()
            if deadline is None:
                deadline = now + self._timeout
            elif now >= deadline:
                return

    def _receive(self) -> int:
        """The size of what was read. Only the kernel has port 0;
        what another process sends to ours counts as nothing."""
        try:
            size, _ancillary, flags, sender = self._open().recvmsg_into([self._buffer])
        except BlockingIOError:
            raise NoReplyError(f"the kernel did not answer within {self._timeout:g} seconds") from None
        except OSError as exc:
            if exc.errno == errno.ENOBUFS:
                raise OverrunError("replies of the kernel were lost: the receive buffer was full") from exc
            raise SystemCallError("to read the kernel's reply", exc.errno or errno.EIO) from exc
        if sender[0] != 0:
            return 0
        if flags & socket.MSG_TRUNC:
            raise DecodeError(f"a reply is longer than {len(self._buffer)} bytes")
        return size


def _load(module: str) -> bool:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    program = shutil.which("modprobe", path=path)
    if program is None:
        return False
    try:
        # run_command is a module's, and nothing here knows Ansible.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [program, "--", module], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
