"""The kube-dns stand-in: answers, negative answers, truncation, both transports."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
from dnslib import QTYPE, RCODE, DNSRecord
from kubernetes import client

from lab.standins.kube_dns import Resolver, fit_udp, start, udp_limit
from lab.standins.zone import Zone, build_zone, reverse_address


def service(name: str, cluster_ip: str, namespace: str = "istio-system", kind: str = "ClusterIP") -> Any:
    ports = [client.V1ServicePort(name="http", port=8080, protocol="TCP")]
    meta = client.V1ObjectMeta(name=name, namespace=namespace)
    return client.V1Service(metadata=meta, spec=client.V1ServiceSpec(cluster_ip=cluster_ip, type=kind, ports=ports))


def endpoints(name: str, addresses: list[str]) -> Any:
    subset = client.V1EndpointSubset(addresses=[client.V1EndpointAddress(ip=address) for address in addresses])
    return client.V1Endpoints(metadata=client.V1ObjectMeta(name=name, namespace="istio-system"), subsets=[subset])


@pytest.fixture
def zone() -> Zone:
    services = [service("istio-pilot", "10.233.5.5"), service("crowd", "None"), service("far", "", kind="ExternalName")]
    crowd = endpoints("crowd", [f"10.244.1.{last}" for last in range(1, 101)])
    return build_zone("cluster.local", ["10.233.0.0/16"], services, [crowd])


def ask(zone: Zone, name: str, qtype: str = "A") -> DNSRecord:
    return zone.answer(DNSRecord.question(name, qtype))


def test_a_service_is_its_cluster_address(zone: Zone) -> None:
    reply = ask(zone, "Istio-Pilot.istio-system.svc.cluster.local")
    assert [str(record.rdata) for record in reply.rr] == ["10.233.5.5"]
    assert reply.header.aa


def test_a_headless_service_is_its_pods(zone: Zone) -> None:
    assert len(ask(zone, "crowd.istio-system.svc.cluster.local").rr) == 100


@pytest.mark.parametrize("name", ["istio-pilot.istio-system.svc.cluster.local", "istio-system.svc.cluster.local"])
def test_no_data_is_not_no_name(zone: Zone, name: str) -> None:
    reply = ask(zone, name, "AAAA")
    assert (reply.header.rcode, reply.rr) == (RCODE.NOERROR, [])
    assert reply.auth[0].rtype == QTYPE.SOA


def test_unknown_names_do_not_exist(zone: Zone) -> None:
    for name in ("nobody.istio-system.svc.cluster.local", "far.istio-system.svc.cluster.local"):
        assert ask(zone, name).header.rcode == RCODE.NXDOMAIN


def test_srv_and_ptr(zone: Zone) -> None:
    srv = ask(zone, "_http._tcp.istio-pilot.istio-system.svc.cluster.local", "SRV")
    assert srv.rr[0].rdata.port == 8080
    ptr = ask(zone, "5.5.233.10.in-addr.arpa", "PTR")
    assert str(ptr.rr[0].rdata) == "istio-pilot.istio-system.svc.cluster.local."


def test_what_belongs_to_the_cluster(zone: Zone) -> None:
    assert zone.authoritative("x.cluster.local")
    assert not zone.authoritative("notcluster.local")
    assert zone.authoritative("9.9.233.10.in-addr.arpa")
    assert not zone.authoritative("1.0.168.192.in-addr.arpa")
    assert reverse_address("x.y.in-addr.arpa") is None


def test_big_answers_are_truncated_over_udp(zone: Zone) -> None:
    question = DNSRecord.question("crowd.istio-system.svc.cluster.local")
    cut = DNSRecord.parse(fit_udp(zone.answer(question), udp_limit(question)))
    assert cut.header.tc
    assert cut.rr == []
    large = DNSRecord.question("crowd.istio-system.svc.cluster.local")
    from dnslib import EDNS0

    large.add_ar(EDNS0(udp_len=4096))
    assert not DNSRecord.parse(fit_udp(zone.answer(large), udp_limit(large))).header.tc


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_over_udp_and_tcp(zone: Zone) -> None:
    async def scenario() -> tuple[DNSRecord, DNSRecord]:
        port = free_port()
        server = await start(Resolver(zone, "127.0.0.1"), "127.0.0.1", port)
        question = DNSRecord.question("crowd.istio-system.svc.cluster.local")
        small = await asyncio.to_thread(question.send, "127.0.0.1", port, False, 5)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        packet = question.pack()
        writer.write(struct.pack("!H", len(packet)) + packet)
        (length,) = struct.unpack("!H", await asyncio.wait_for(reader.readexactly(2), 5))
        whole = await asyncio.wait_for(reader.readexactly(length), 5)
        writer.close()
        server.close()
        return DNSRecord.parse(small), DNSRecord.parse(whole)

    small, whole = asyncio.run(scenario())
    assert small.header.tc
    assert len(whole.rr) == 100


def test_other_names_come_from_upstream(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Resolver(zone, "192.0.2.1")
    question = DNSRecord.question("www.example.org")

    async def answer(packet: bytes, *, tcp: bool) -> bytes:
        return b"upstream" if tcp else b"by udp"

    monkeypatch.setattr(resolver, "_forward", answer)
    assert asyncio.run(resolver.resolve(question.pack(), tcp=False)) == b"by udp"
    assert asyncio.run(resolver.resolve(question.pack(), tcp=True)) == b"upstream"

    async def broken(packet: bytes, *, tcp: bool) -> bytes:
        raise OSError("network is unreachable")

    monkeypatch.setattr(resolver, "_forward", broken)
    failed = asyncio.run(resolver.resolve(question.pack(), tcp=False))
    assert failed is not None
    assert DNSRecord.parse(failed).header.rcode == RCODE.SERVFAIL
    assert asyncio.run(resolver.resolve(b"junk", tcp=False)) is None
