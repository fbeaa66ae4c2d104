# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a node, and what counts as an answer; the other side is on this host."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import ask
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.unit.plugins.mesh_pki import NOW, Authority, key_pem, pem

VIP, A, B = "192.168.0.62", "192.168.0.71", "192.168.0.72"
NODE = ask.Asking(10256, "/healthz")
NAME = "istiod.istio-system.svc"
THROUGH = NODE._replace(source="192.168.0.65", through=(A, B), tls={15012: NAME}, dns_name="kubernetes.default.svc")
# Of this host, as one that has a way: nothing but the source port leads there.
HERE = THROUGH._replace(source="127.0.0.1", through=("127.0.0.1",))


@pytest.mark.parametrize(
    ("protocol", "port", "asked"),
    [
        ("tcp", 15012, ask.Question(ask.TLS, VIP, 15012, NAME, 1)),
        ("tcp", 7000, ask.Question(ask.TCP, VIP, 7000, "", 1)),
        ("tcp", 53, ask.Question(ask.TCP, VIP, 53, "", 1)),
        ("udp", 53, ask.Question(ask.DNS, VIP, 53, "kubernetes.default.svc", 1)),
        ("udp", 15012, ask.Question(ask.HTTP, B, 10256, "/healthz")),
        ("sctp", 7000, ask.Question(ask.HTTP, B, 10256, "/healthz")),
    ],
)
def test_the_service_says_what_is_asked(protocol: str, port: int, asked: ask.Question) -> None:
    assert THROUGH.question(protocol, VIP, port, B) == asked
    assert NODE.question(protocol, VIP, port, B) == ask.Question(ask.HTTP, B, 10256, "/healthz")


def test_no_question_without_a_way() -> None:
    assert THROUGH.question("tcp", VIP, 7000, "192.168.0.73") is None


def test_ports_of_ways_do_not_overlap() -> None:
    assert [ask.ports(way) for way in (0, 1)] == [(1024, 1535), (1536, 2047)]
    assert ask.ports(ask.MOST_NODES - 1)[1] == 65535


@contextmanager
def listening(kind: int, serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this host, and what is done there until the end."""
    with socket.socket(socket.AF_INET, kind) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(5)
        if kind == socket.SOCK_STREAM:
            there.listen()
        thread = threading.Thread(target=serve, args=(there,))
        thread.start()
        yield there.getsockname()[1]
        thread.join()


def test_a_connection_comes_from_a_port_of_the_way() -> None:
    seen = []
    closed = threading.Event()

    def serve(there: socket.socket) -> None:
        for _time in range(2):
            connection, peer = there.accept()
            seen.append(peer)
            connection.close()
            closed.set()

    with listening(socket.SOCK_STREAM, serve) as port:
        asked = ask.Question(ask.TCP, "127.0.0.1", port, "", 3)
        assert ask.answers(asked, HERE) is True
        # Half open it would be in the way of one from the same port: this host uses such a port again after a second.
        assert closed.wait(5)
        # At once again: what is left of the first one is in nobody's way.
        assert ask.answers(asked, HERE) is True
    first, last = ask.ports(3)
    assert all(address == "127.0.0.1" and first <= number <= last for address, number in seen)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for kind in (ask.TCP, ask.TLS, ask.HTTP, ask.DNS):
        assert ask.answers(ask.Question(kind, "127.0.0.1", port, "/", 0), HERE) is False


@pytest.mark.parametrize(("status", "good"), [("200 OK", True), ("503 Service Unavailable", False)])
def test_the_health_of_kube_proxy(status: str, good: bool) -> None:
    def serve(there: socket.socket) -> None:
        connection, _peer = there.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    with listening(socket.SOCK_STREAM, serve) as port:
        assert ask.answers(ask.Question(ask.HTTP, "127.0.0.1", port, "/healthz"), NODE) is good


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (lambda query: query[:2] + b"\x81\x83" + query[4:], True),  # No such name.
        (lambda query: bytes([query[0] ^ 1]) + query[1:2] + b"\x81\x80" + query[4:], False),  # Of another query.
        (lambda query: query, False),  # An echo.
    ],
)
def test_a_name_server(reply: Callable[[bytes], bytes], good: bool) -> None:
    queries = []

    def serve(there: socket.socket) -> None:
        query, peer = there.recvfrom(512)
        queries.append(query)
        there.sendto(reply(query), peer)

    with listening(socket.SOCK_DGRAM, serve) as port:
        assert ask.answers(ask.Question(ask.DNS, "127.0.0.1", port, "a.example", 0), HERE) is good
    assert queries[0][2:] == b"\1\0\0\1\0\0\0\0\0\0\1a\7example\0\0\1\0\1"


def server_context(authority: Authority, name: str, folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(authority.key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(pem(leaf))
    (folder / "key.pem").write_bytes(key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(
    ("name", "own", "good"), [(NAME, True, True), ("other.svc", True, False), (NAME, False, False)]
)
def test_a_certificate_of_the_mesh_for_that_name(tmp_path: Path, name: str, own: bool, good: bool) -> None:
    authority = Authority()
    context = server_context(authority, name, tmp_path)
    (tmp_path / "roots.pem").write_bytes(pem((authority if own else Authority()).root))
    asked_for = []
    context.sni_callback = lambda _socket, server, _context: asked_for.append(server)

    def serve(there: socket.socket) -> None:
        connection, _peer = there.accept()
        try:
            with context.wrap_socket(connection, server_side=True):
                pass
        except (ssl.SSLError, ConnectionError):
            connection.close()

    with listening(socket.SOCK_STREAM, serve) as port:
        asking = HERE._replace(roots=str(tmp_path / "roots.pem"))
        assert ask.answers(ask.Question(ask.TLS, "127.0.0.1", port, NAME, 0), asking) is good
    assert asked_for == [NAME]


def test_a_namespace_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=str(tmp_path)):
        ask.enter(str(tmp_path / "file"))
