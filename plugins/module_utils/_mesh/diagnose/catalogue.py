# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host for somebody who cannot log in there, as data. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host import footprint
from ..director import layout as director
from ..dns import files as dns
from ..sidecar import layout as sidecar

DIRECTOR, NODE, VM = "director", "node", "vm"
KINDS = (DIRECTOR, NODE, VM)


class Command(t.NamedTuple):
    """What a program prints."""

    argv: t.Tuple[str, ...]


class File(t.NamedTuple):
    """The content of each file that fits; of a log its end."""

    pattern: str
    log: bool = False


class Listing(t.NamedTuple):
    """Kind, owner, mode and size of what is below a directory, and no content."""

    top: str


class Unit(t.NamedTuple):
    """How a unit stands, and the end of its journal."""

    name: str


class Page(t.NamedTuple):
    """What a program of this host answers."""

    url: str


class Table(t.NamedTuple):
    """The kernel's IPVS table with its counters."""


Step = t.Union[Command, File, Listing, Unit, Page, Table]


class Part(t.NamedTuple):
    """One file of the bundle. One that ends in .json has a single step, whose answer is JSON."""

    name: str
    steps: t.Tuple[Step, ...]


def _commands(*lines: str) -> tuple[Command, ...]:
    return tuple(Command(tuple(line.split())) for line in lines)


_SETTINGS = (
    r"^net\.(ipv4\.(vs|ip_forward)|ipv4\.conf\.[^.]+\.(arp_|rp_filter|forwarding)|netfilter\.nf_conntrack_(max|count))"
)
# Of a certificate; never the whole of it.
_SHOWN = ("-subject", "-issuer", "-dates", "-serial", "-fingerprint", "-sha256", "-ext", "subjectAltName")
_COMMON = (
    Part(
        "system.txt",
        (
            *_commands("uname -a", "date --utc --iso-8601=seconds", "uptime", "free -m", "df -h", "timedatectl"),
            File("/etc/os-release"),
            *_commands("python3 --version", "systemctl --no-pager --failed", "lsmod"),
        ),
    ),
    Part("packages.txt", (Command(("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\\n")),)),
    Part(
        "network.txt",
        _commands(
            "ip -statistics address show",
            "ip rule show",
            "ip route show table all",
            "ip -6 route show",
            "ip neighbour show",
            "ss --listening --tcp --udp --numeric --processes",
            "ss --summary",
        ),
    ),
    Part("packet-filter.txt", _commands("nft list ruleset", "iptables-legacy-save", "iptables-nft-save")),
    Part("settings.txt", (Command(("sysctl", "--all", "--pattern", _SETTINGS)),)),
    Part("names.txt", tuple(map(File, (dns.RESOLV_CONF, dns.HOSTS, "/etc/nsswitch.conf", *dns.BEHIND_STUBS)))),
    Part("footprints.txt", (Listing(footprint.ROOT),)),
    Part("kernel.txt", _commands("journalctl --no-pager --dmesg --priority=warning --lines=200 --output=short-iso")),
)
_OF_KIND: dict[str, tuple[Part, ...]] = {
    DIRECTOR: (
        Part("ipvs.txt", (Table(),)),
        Part(
            "director-files.txt", tuple(map(File, (*director.FILES, director.KEEPALIVED_CONF, f"{director.HEALTH}/*")))
        ),
    ),
    NODE: (
        Part(
            "kube-proxy.txt",
            (
                Page("http://127.0.0.1:10249/proxyMode"),
                Page("http://127.0.0.1:10256/healthz"),
                File("/etc/sysctl.d/90-mesh-expansion*"),
            ),
        ),
    ),
    VM: (
        Part(
            "dnsmasq-files.txt",
            (File("/etc/dnsmasq.conf"), File(f"{dns.CONF_DIR}/*"), File(f"{dns.UNIT_DIR}/*"))
            + tuple(File(owner.path) for owner in dns.OWNERS),
        ),
        Part(
            "sidecar-files.txt",
            (
                File(f"{sidecar.ENV_DIR}/*.env"),
                File(sidecar.MESH_CONFIG),
                Listing(sidecar.CERTS),
                Listing(sidecar.SECRETS),
                Listing(sidecar.HOME),
            ),
        ),
        Part("sidecar-logs.txt", (File(f"{sidecar.LOGS}/*.log", log=True),)),
        Part(
            "certificates.txt",
            tuple(
                Command(("openssl", "x509", "-noout", "-in", path, *_SHOWN))
                for path in (f"{sidecar.CERTS}/cert-chain.pem", sidecar.ROOT_CERT)
            ),
        ),
        Part("envoy-config.json", (Page("http://127.0.0.1:15000/config_dump"),)),
        Part("envoy-server.json", (Page("http://127.0.0.1:15000/server_info"),)),
        Part("envoy-clusters.txt", (Page("http://127.0.0.1:15000/clusters"),)),
        Part("envoy-listeners.txt", (Page("http://127.0.0.1:15000/listeners"),)),
        Part("envoy-stats.txt", (Page("http://127.0.0.1:15000/stats?usedonly"),)),
        Part("ready.txt", (Page("http://127.0.0.1:15021/healthz/ready"),)),
    ),
}
# Those that are there are shown.
_UNITS: dict[str, tuple[str, ...]] = {
    DIRECTOR: (director.UNIT, director.KEEPALIVED_UNIT, director.HEALTH_UNIT, director.PROBE_UNIT),
    NODE: ("kube-proxy.service", "kubelet.service"),
    VM: (*reversed(sidecar.UNITS), dns.UNIT),
}
_OTHERS = ("systemd-networkd.service", "systemd-resolved.service", "NetworkManager.service", "ssh.service")
# What has been lent to this host; it is taken out wherever it stands.
SECRETS = (
    f"{sidecar.CERTS}/key*",
    f"{sidecar.SECRETS}/tokens/*",
    f"{sidecar.SECRETS}/*/*token*",
    "/etc/kubernetes/pki/*.key",
    "/var/lib/kubelet/pki/*.pem",
)


def parts(kinds: t.Collection[str], roles: t.Collection[str]) -> list[Part]:
    """For a host of these kinds, on which these roles have left a footprint."""
    kept = tuple(Part(f"footprint-{role}.json", (File(footprint.path_of(role)),)) for role in sorted(roles))
    found = [*_COMMON, *kept]
    units: list[str] = []
    for kind in KINDS:
        if kind in kinds:
            found += _OF_KIND[kind]
            units += _UNITS[kind]
    return [*found, *(Part(f"unit-{name.partition('.')[0]}.txt", (Unit(name),)) for name in (*units, *_OTHERS))]
