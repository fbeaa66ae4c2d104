"""STAND-IN for the site's upstream DNS server: answers a few ordinary names with fixed addresses.

It speaks DNS over UDP and TCP. Names outside its table, and so every name of the cluster, do not exist (NXDOMAIN);
`large.example.com` has an answer too long for UDP, so that it arrives truncated and must be asked for over TCP.
"""

from __future__ import annotations

import ipaddress
import socketserver
import struct
import sys
import threading

NAMES: dict[str, list[str]] = {
    "debian.org": ["198.51.100.10"],
    "example.com": ["93.184.216.34"],
    "example.org": ["198.51.100.11"],
    "large.example.com": [f"198.51.100.{number}" for number in range(1, 61)],
    "nginx.org": ["198.51.100.20"],
    "www.example.com": ["93.184.216.34"],
}
_A, _ANY = 1, 255
_NXDOMAIN, _FORMERR = 3, 1
_UDP_LIMIT = 512
_TTL = 60


def parse_question(query: bytes) -> tuple[str, int, bytes]:
    """Name, type and raw question section of a query; ValueError when it is none."""
    if len(query) < 12 or struct.unpack_from("!H", query, 4)[0] != 1:
        raise ValueError("not a query with one question")
    labels: list[str] = []
    position = 12
    while True:
        if position >= len(query):
            raise ValueError("cut off inside the name")
        length = query[position]
        position += 1
        if length == 0:
            break
        if length > 63 or position + length > len(query):
            raise ValueError("bad label")
        labels.append(query[position : position + length].decode("ascii", "replace").lower())
        position += length
    if position + 4 > len(query):
        raise ValueError("cut off after the name")
    (kind,) = struct.unpack_from("!H", query, position)
    return ".".join(labels), kind, query[12 : position + 4]


def answer(query: bytes, limit: int | None = None) -> bytes:
    """The response to a query; with a `limit`, a longer one is replaced by an empty, truncated one."""
    if len(query) < 12:
        return b""
    number, flags = struct.unpack_from("!HH", query)
    response = 0x8080 | (flags & 0x7900)  # response, recursion available; opcode and RD as asked
    try:
        name, kind, question = parse_question(query)
    except ValueError:
        return struct.pack("!HHHHHH", number, response | _FORMERR, 0, 0, 0, 0)
    addresses = NAMES.get(name)
    if addresses is None:
        return struct.pack("!HHHHHH", number, response | _NXDOMAIN, 1, 0, 0, 0) + question
    records = b""
    count = 0
    if kind in (_A, _ANY):
        for address in addresses:
            records += struct.pack("!HHHIH", 0xC00C, _A, 1, _TTL, 4) + ipaddress.IPv4Address(address).packed
        count = len(addresses)
    whole = struct.pack("!HHHHHH", number, response, 1, count, 0, 0) + question + records
    if limit is not None and len(whole) > limit:
        return struct.pack("!HHHHHH", number, response | 0x0200, 1, 0, 0, 0) + question
    return whole


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        data, sock = self.request
        reply = answer(data, _UDP_LIMIT)
        if reply:
            sock.sendto(reply, self.client_address)


class _Tcp(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self) -> None:
        while len(head := self.rfile.read(2)) == 2:
            reply = answer(self.rfile.read(struct.unpack("!H", head)[0]))
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main(address: str, port: int = 53) -> None:
    udp = socketserver.ThreadingUDPServer((address, port), _Udp)
    tcp = _TcpServer((address, port), _Tcp)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    udp.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
