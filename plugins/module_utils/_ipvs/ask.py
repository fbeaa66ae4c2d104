# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking whether a node does its work: kube-proxy's own health, or a service at its virtual address through that node.

Installed as the watcher is. A question through a node is asked in a network namespace with an address of its own, whose
rules lead packets by their source port: each node has C(PORTS) of them, so nobody needs a right to choose the way.
Private to the collection.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import http.client
import os
import socket
import ssl
import struct
import time
import typing as t

HTTP, TCP, TLS, DNS = "http", "tcp", "tls", "dns"
# Seconds for an answer.
PATIENCE = 1.0
FIRST_PORT, PORTS = 1024, 512
MOST_NODES = (65536 - FIRST_PORT) // PORTS
_DNS_PORT = 53
# A port is taken as the clock has it, this often another one: so a question has the same one again after two minutes,
# when what a node may remember of the last time is over.
_TURN = 0.25
_TRIES = 4
_CLONE_NEWNET = 0x40000000


class Question(t.NamedTuple):
    """What is asked of a node. Services that ask the same share the answer."""

    kind: str
    address: str
    port: int
    # The path, the server's name, or the name that is looked up.
    word: str = ""
    # The number of the node that it goes through; without one it goes straight to the address.
    way: int | None = None


class Asking(t.NamedTuple):
    """How nodes are asked."""

    port: int
    path: str
    # The address in the namespace; without one nodes are asked for kube-proxy's health.
    source: str = ""
    # The nodes that ways lead through, in the order of their source ports.
    through: t.Sequence[str] = ()
    # Names of servers by the port that they answer at with TLS, and the file with the roots of their certificates.
    tls: t.Mapping[int, str] = {}
    roots: str = ""
    dns_name: str = ""

    def question(self, protocol: str, address: str, port: int, server: str) -> Question | None:
        """What a service of the table asks of a server; nothing of one that no way leads through yet."""
        own = Question(HTTP, server, self.port, self.path)
        if not self.source:
            return own
        if server not in self.through:
            return None
        way = list(self.through).index(server)
        if protocol == "udp":
            # Of other services it cannot be told whether they would answer.
            return Question(DNS, address, port, self.dns_name, way) if port == _DNS_PORT else own
        if port in self.tls:
            return Question(TLS, address, port, self.tls[port], way)
        return Question(TCP, address, port, "", way) if protocol == "tcp" else own


def ports(way: int) -> tuple[int, int]:
    """The first and the last source port that lead through a node."""
    first = FIRST_PORT + way * PORTS
    return first, first + PORTS - 1


def answers(question: Question, asking: Asking) -> bool:
    try:
        if question.kind == HTTP:
            return _http(question)
        kind = socket.SOCK_DGRAM if question.kind == DNS else socket.SOCK_STREAM
        with _connected(question, asking.source, kind) as stream:
            if question.kind == TLS:
                with context(asking.roots).wrap_socket(stream, server_hostname=question.word):
                    return True
            return _dns(stream, question.word) if question.kind == DNS else True
    except (OSError, http.client.HTTPException):
        return False


def _http(question: Question) -> bool:
    connection = http.client.HTTPConnection(question.address, question.port, timeout=PATIENCE)
    try:
        connection.request("GET", question.word)
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _connected(question: Question, source: str, kind: int) -> socket.socket:
    """A socket whose packets go through the node."""
    first, _last = ports(question.way or 0)
    turn = int(time.monotonic() / _TURN) + os.getpid()
    for one in range(_TRIES):
        stream = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, kind)
        try:
            stream.settimeout(PATIENCE)
            # Questions to several services have the same port.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            stream.bind((source, first + (turn + one) % PORTS))
            stream.connect((question.address, question.port))
            return stream
        except OSError as exc:
            stream.close()
            if exc.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL):
                raise
    raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


@functools.lru_cache(maxsize=1)
def context(roots: str) -> ssl.SSLContext:
    """For a server whose certificate is signed by one of the roots in this file."""
    found = ssl.create_default_context(cafile=roots)
    # From Python 3.13 on the default refuses certificates without what RFC 5280 asks for; no client in a mesh does.
    found.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return found


def dns_query(number: int, name: str) -> bytes:
    """A query for the address of a name."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode("idna").split(b".") if label)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", 1, 1)


def _dns(stream: socket.socket, name: str) -> bool:
    """Whether there is an answer, whatever it says."""
    number = int.from_bytes(os.urandom(2), "big")
    stream.send(dns_query(number, name))
    head = stream.recv(512)[:3]
    return len(head) == 3 and head[:2] == number.to_bytes(2, "big") and head[2] >= 0x80


def enter(namespace: str) -> None:
    """The calling thread goes into a network namespace; the others stay where they are."""
    # Python has setns from 3.12 on only.
    with open(namespace, "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), namespace)
