"""Stand-in for kube-dns: answers the cluster domain from the Kubernetes API on port 53 (UDP and
TCP), forwards the rest."""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import threading

from dnslib import EDNS0, QTYPE, RCODE, DNSError, DNSRecord

from lab.standins.api import Store, core_api, setup_logging
from lab.standins.zone import Zone, build_zone

log = logging.getLogger("kube-dns")

PORT = 53
CLASSIC_UDP_LIMIT = 512
UPSTREAM_SECONDS = 2.0
TCP_IDLE_SECONDS = 10.0


class LiveZone:
    """The zone, rebuilt when Services or Endpoints have changed since the last question."""

    def __init__(self, domain: str, networks: list[str]) -> None:
        api = core_api()
        self._domain, self._networks = domain, networks
        self._stale = threading.Event()
        self._stale.set()
        self._services = Store("services", api.list_service_for_all_namespaces, self._stale.set).start()
        self._endpoints = Store("endpoints", api.list_endpoints_for_all_namespaces, self._stale.set).start()
        for store in (self._services, self._endpoints):
            store.wait_synced()
        self._zone = self._build()

    def get(self) -> Zone:
        if self._stale.is_set():
            self._stale.clear()
            self._zone = self._build()
        return self._zone

    def _build(self) -> Zone:
        return build_zone(self._domain, self._networks, self._services.items(), self._endpoints.items())


def udp_limit(request: DNSRecord) -> int:
    """The largest answer that the asker takes over UDP."""
    sizes = [record.rclass for record in request.ar if isinstance(record, EDNS0) or record.rtype == QTYPE.OPT]
    return max([CLASSIC_UDP_LIMIT, *sizes])


def fit_udp(reply: DNSRecord, limit: int) -> bytes:
    """The packed answer; one that is too big is sent empty with the TC bit, so that the asker comes back over TCP."""
    packed: bytes = reply.pack()
    if len(packed) > limit:
        packed = reply.truncate().pack()
    return packed


class Resolver:
    def __init__(self, zone: LiveZone | Zone, upstream: str) -> None:
        self._zone = zone
        self._upstream = upstream

    async def resolve(self, packet: bytes, *, tcp: bool) -> bytes | None:
        """The packed answer, or nothing to what is not a question."""
        try:
            request = DNSRecord.parse(packet)
        except DNSError:
            return None
        if request.header.qr or not request.questions:
            return None
        zone = self._zone.get() if isinstance(self._zone, LiveZone) else self._zone
        if zone.authoritative(str(request.q.qname).rstrip(".").lower()):
            reply = zone.answer(request)
            return reply.pack() if tcp else fit_udp(reply, udp_limit(request))
        try:
            return await asyncio.wait_for(self._forward(packet, tcp=tcp), UPSTREAM_SECONDS)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            log.warning("upstream %s: %s: %r", self._upstream, request.q.qname, error)
            reply = request.reply()
            reply.header.rcode = RCODE.SERVFAIL
            return reply.pack()

    async def _forward(self, packet: bytes, *, tcp: bool) -> bytes:
        if tcp:
            reader, writer = await asyncio.open_connection(self._upstream, PORT)
            try:
                writer.write(struct.pack("!H", len(packet)) + packet)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
            finally:
                writer.close()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        transport, _protocol = await loop.create_datagram_endpoint(
            lambda: _Question(packet, answer), remote_addr=(self._upstream, PORT)
        )
        try:
            return await answer
        finally:
            transport.close()


class _Question(asyncio.DatagramProtocol):
    """One forwarded question and its answer."""

    def __init__(self, packet: bytes, answer: asyncio.Future[bytes]) -> None:
        self._packet, self._answer = packet, answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.sendto(self._packet)  # type: ignore[attr-defined]

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._packet[:2] and not self._answer.done():
            self._answer.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


class UdpServer(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._running: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        task = asyncio.ensure_future(self._reply(data, addr))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _reply(self, data: bytes, addr: object) -> None:
        reply = await self._resolver.resolve(data, tcp=False)
        if reply:
            self._transport.sendto(reply, addr)  # type: ignore[attr-defined]


async def serve_tcp(resolver: Resolver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await asyncio.wait_for(reader.readexactly(2), TCP_IDLE_SECONDS)
            packet = await asyncio.wait_for(reader.readexactly(struct.unpack("!H", head)[0]), TCP_IDLE_SECONDS)
            reply = await resolver.resolve(packet, tcp=True)
            if not reply:
                return
            writer.write(struct.pack("!H", len(reply)) + reply)
            await writer.drain()
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return
    finally:
        writer.close()


async def start(resolver: Resolver, address: str, port: int) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: UdpServer(resolver), local_addr=(address, port))
    return await asyncio.start_server(lambda r, w: serve_tcp(resolver, r, w), address, port)


async def _serve(resolver: Resolver) -> None:
    server = await start(resolver, "0.0.0.0", PORT)
    log.info("stand-in for kube-dns: serving on %d", PORT)
    await server.serve_forever()


def main() -> None:
    setup_logging()
    networks = os.environ.get("SERVICE_CIDR", "10.233.0.0/16").split(",")
    zone = LiveZone(os.environ.get("CLUSTER_DOMAIN", "cluster.local"), networks)
    asyncio.run(_serve(Resolver(zone, os.environ.get("UPSTREAM_DNS", "114.114.114.114"))))


if __name__ == "__main__":
    main()
