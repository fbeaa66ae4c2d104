# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM in the mesh of an istiod for all rows at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import ipaddress
import sys
import time
import typing as t
from urllib.error import URLError
from urllib.parse import urlsplit

from ..._host import accounts, commands, dns, dns_client, footprint, paths
from ..dns import files as dns_files
from ..dns import look as dnsmasq
from ..dns.settings import Settings as DnsSettings
from ..generations.model import DNSMASQ, HOSTS
from ..resolver import nameservers
from ..sidecar import admin, envoy, layout
from ..sidecar import look as sidecar
from ..sidecar.settings import Settings as SidecarSettings

STATS = "/stats?filter=update_(success|rejected)"
# What an ordinary name server knows, or knows to be nobody's.
ORDINARY = "example.com"
_SECONDS = 5.0
_ATTEMPTS = 3
# Traffic of an ordinary account goes through the sidecar.
ACCOUNT = "nobody"
_REQUEST = """\
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    answer = opener.open(sys.argv[1], timeout=5)
except urllib.error.HTTPError as exc:
    answer = exc
except OSError as exc:
    sys.exit(str(getattr(exc, "reason", exc)))
print(answer.status, " ".join(answer.read(200).decode("utf-8", "replace").split())[:60])
"""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the roles would be told, and what verification asks beside it."""

    sidecar: SidecarSettings
    # How names are resolved, and what the role dnsmasq is told where it does that.
    dns_mode: str
    resolver: DnsSettings | None
    # istiod's name, as a sidecar calls it.
    control_plane: str
    cluster_domain: str
    # What the VM is called in messages.
    host: str
    # Whether the VM reaches pods, and the URL by which that is tried.
    vm_to_pods: bool = False
    server: str = ""

    def names(self) -> list[str]:
        """istiod's, and one that every cluster has, where names of the mesh are resolved at all."""
        others = [] if self.dns_mode == HOSTS else [f"kubernetes.default.svc.{self.cluster_domain}"]
        return [self.control_plane, *others]

    @property
    def asks(self) -> bool:
        return self.vm_to_pods and bool(self.server) and self.dns_mode != HOSTS


@dataclasses.dataclass(frozen=True)
class Answer:
    """Of the Service of a pod: the status, or what was said instead; and where Envoy sends such requests."""

    status: int = 0
    said: str = ""
    endpoints: t.Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Seen:
    """The VM as it is: what the roles' own looks see, and what only a running sidecar shows."""

    sidecar: sidecar.Seen
    resolver: dnsmasq.Seen | None = None
    # Whether the role dnsmasq has changed this host.
    has_dnsmasq: bool = False
    # The addresses that each name has to programs.
    lookups: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    # What is wrong with ordinary names; empty when nothing is.
    ordinary: str = ""
    # The number of the sidecar's account.
    uid: str = ""
    # By program of the packet filter what its nat table holds.
    nat: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Envoy's counters of its configuration; empty when it does not answer.
    stats: str = ""
    answer: Answer | None = None


def look(wanted: Wanted, seconds: float) -> Seen:
    """A file or program that is missing is what the rows judge: it is read as empty."""
    proxy = _ready(wanted.sidecar, seconds)
    return Seen(
        sidecar=proxy,
        resolver=dnsmasq.look(wanted.resolver) if wanted.dns_mode == DNSMASQ and wanted.resolver else None,
        has_dnsmasq=footprint.load(dns_files.ROLE) is not None,
        lookups={name: addresses_of(name) for name in wanted.names()},
        ordinary=ordinary_problem(paths.read_text(dns_files.RESOLV_CONF) or ""),
        uid=str(accounts.uid_of(layout.USER)) if accounts.exists(layout.USER) else "",
        nat={name: _said(f"{name}-save", "-t", "nat") for name in wanted.sidecar.layout.filters},
        stats=_page(STATS),
        answer=_ask(wanted) if wanted.asks else None,
    )


def _ready(settings: SidecarSettings, seconds: float) -> sidecar.Seen:
    """The sidecar, once it is ready. Only one that runs is waited for."""
    until = time.monotonic() + seconds
    while True:
        seen = sidecar.look(settings)
        runs = seen.unit(layout.SIDECAR_UNIT).active
        if seen.envoy == sidecar.LIVE or not runs or time.monotonic() >= until:
            return seen
        time.sleep(1)


def _said(*argv: str) -> str:
    return commands.run(argv).stdout


def _page(path: str) -> str:
    try:
        return admin.reader(sidecar.ADMIN, _SECONDS)(path)
    except (URLError, OSError):
        return ""


def addresses_of(name: str) -> list[str]:
    """As programs see it."""
    lines = _said("getent", "ahostsv4", name).splitlines()
    return list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))


def ordinary_problem(resolv_conf: str) -> str:
    """Whether the host's name servers still answer; what they answer is not the mesh's business."""
    servers = nameservers(resolv_conf)
    problems = []
    for server in servers:
        try:
            answer = dns_client.ask(server, 53, ORDINARY, "A", "udp", _SECONDS)
        except (OSError, dns.DnsError) as exc:
            problems.append(f"{server} does not answer for {ORDINARY}: {exc}")
            continue
        if answer.rcode in ("NOERROR", "NXDOMAIN"):
            return ""
        problems.append(f"{server} answers {answer.rcode} for {ORDINARY}")
    return "; ".join(problems) if servers else f"{dns_files.RESOLV_CONF} names no server"


def _ask(wanted: Wanted) -> Answer:
    """A request as an ordinary account makes it. The first ones may find connections that are not there yet."""
    argv = ["runuser", "-u", ACCOUNT, "--", sys.executable, "-c", _REQUEST, wanted.server]
    answer = Answer()
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(1)
        done = commands.run(argv, seconds=15)
        answer = answer_of(done)
        if 0 < answer.status < 400:
            break
    cluster = cluster_of(wanted.server, wanted.sidecar.namespace, wanted.cluster_domain)
    return dataclasses.replace(answer, endpoints=_endpoints(cluster))


def answer_of(done: commands.Result) -> Answer:
    status, dummy, said = done.stdout.strip().partition(" ")
    if done.rc == 0 and status.isdigit():
        return Answer(int(status), said)
    return Answer(0, " ".join(done.stderr.split()) or f"the request ended with {done.rc}")


def cluster_of(url: str, namespace: str, cluster_domain: str) -> str:
    """Envoy's name of a Service's endpoints; empty for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        name, dummy, rest = host.partition(".")
        where = rest.partition(".")[0] or namespace
        return f"outbound|{parts.port or 80}||{name}.{where}.svc.{cluster_domain}"
    return ""


def _endpoints(cluster: str) -> list[str]:
    text = _page("/clusters?format=json")
    try:
        found = envoy.endpoints(envoy.parse_json(text, "clusters")).get(cluster, []) if text else []
    except envoy.EnvoyError:
        return []
    return [f"{item['address']}:{item['port']}" for item in found]
