"""Part of the kube-dns stand-in: answers for the cluster domain as a pure function of Services and Endpoints."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dnslib import PTR, QTYPE, RCODE, RR, SOA, SRV, A, DNSRecord

TTL = 30


@dataclass
class Zone:
    """Names below the cluster domain, lower case and without the final dot."""

    domain: str
    service_networks: tuple[ipaddress.IPv4Network, ...]
    addresses: dict[str, list[str]] = field(default_factory=dict)
    services: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    pointers: dict[str, str] = field(default_factory=dict)

    def authoritative(self, name: str) -> bool:
        if name == self.domain or name.endswith(f".{self.domain}"):
            return True
        address = reverse_address(name)
        return address is not None and any(address in network for network in self.service_networks)

    def answer(self, request: DNSRecord) -> DNSRecord:
        """An authoritative answer: records, no data (name known, type not), or no such name."""
        reply = request.reply(aa=1, ra=1)
        name = str(request.q.qname).rstrip(".").lower()
        qname, qtype = request.q.qname, request.q.qtype
        if qtype == QTYPE.A:
            for address in self.addresses.get(name, ()):
                reply.add_answer(RR(qname, QTYPE.A, rdata=A(address), ttl=TTL))
        elif qtype == QTYPE.SRV:
            for port, target in self.services.get(name, ()):
                reply.add_answer(RR(qname, QTYPE.SRV, rdata=SRV(10, 100, port, target), ttl=TTL))
        elif qtype == QTYPE.PTR and name in self.pointers:
            reply.add_answer(RR(qname, QTYPE.PTR, rdata=PTR(self.pointers[name]), ttl=TTL))
        if not reply.rr:
            if not self._known(name):
                reply.header.rcode = RCODE.NXDOMAIN
            reply.add_auth(self._soa())
        return reply

    def _known(self, name: str) -> bool:
        """A name exists too when another one exists below it (RFC 8020)."""
        if name in self.addresses or name in self.services or name in self.pointers or name == self.domain:
            return True
        below = f".{name}"
        return any(known.endswith(below) for table in (self.addresses, self.services) for known in table)

    def _soa(self) -> RR:
        times = (1, 7200, 1800, 86400, TTL)
        return RR(
            self.domain, QTYPE.SOA, rdata=SOA(f"ns.dns.{self.domain}", f"hostmaster.{self.domain}", times), ttl=TTL
        )


def reverse_address(name: str) -> ipaddress.IPv4Address | None:
    """The address that a name like 10.0.233.10.in-addr.arpa asks for."""
    suffix = ".in-addr.arpa"
    if not name.endswith(suffix):
        return None
    try:
        return ipaddress.IPv4Address(".".join(reversed(name[: -len(suffix)].split("."))))
    except ValueError:
        return None


def build_zone(domain: str, networks: Iterable[str], services: Iterable[Any], endpoints: Iterable[Any]) -> Zone:
    """Services by cluster IP, headless ones by their endpoints, named ports as SRV, cluster IPs as PTR."""
    zone = Zone(domain, tuple(ipaddress.IPv4Network(network) for network in networks))
    backends = {(item.metadata.namespace, item.metadata.name): item.subsets or [] for item in endpoints}
    for service in services:
        cluster_ip = service.spec.cluster_ip
        if service.spec.type == "ExternalName" or not cluster_ip:
            continue
        key = (service.metadata.namespace, service.metadata.name)
        name = f"{key[1]}.{key[0]}.svc.{domain}".lower()
        if cluster_ip == "None":
            zone.addresses[name] = [
                address.ip for subset in backends.get(key, []) for address in subset.addresses or []
            ]
        else:
            zone.addresses[name] = [cluster_ip]
            zone.pointers[ipaddress.ip_address(cluster_ip).reverse_pointer] = name
        for port in service.spec.ports or []:
            if port.name:
                srv = f"_{port.name}._{(port.protocol or 'TCP').lower()}.{name}"
                zone.services.setdefault(srv, []).append((port.port, name))
    return zone
