# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a VM's resolver: where they are, and what is to be in them. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from ..._host.footprint import directory
from .. import resolver
from .settings import Settings

ROLE = "dnsmasq"
UNIT = "dnsmasq.service"
ACCOUNT = "dnsmasq"
RESOLV_CONF, HOSTS = "/etc/resolv.conf", "/etc/hosts"
CONF_DIR, UNIT_DIR = "/etc/dnsmasq.d", "/etc/systemd/system/dnsmasq.service.d"
KUBEDNS, OPTIONS = f"{CONF_DIR}/kubedns", f"{CONF_DIR}/mesh-expansion.conf"
DROP_IN = f"{UNIT_DIR}/mesh-expansion.conf"
# The stub of systemd-resolved names itself; the servers behind it are in these files.
BEHIND_STUBS = ("/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf")

DROP_IN_TEXT = """\
# Managed by mesh.expansion.
[Service]
# resolvconf would switch the host to dnsmasq at its start, before it is known to answer, and give it other upstreams.
Environment=IGNORE_RESOLVCONF=yes
ExecStartPost=
ExecStop=
Restart=on-failure
RestartSec=2
"""


class Owner(t.NamedTuple):
    """Somebody else who writes resolv.conf or answers in its place: told to leave it alone by a file of ours."""

    name: str
    installed_if: str
    path: str
    text: str
    # How the unit learns of the file, when it runs.
    unit: str = ""
    action: str = ""


# Debian's resolvconf needs none: it leaves a resolv.conf alone that is not its symlink.
OWNERS = (
    Owner(
        name="NetworkManager",
        installed_if="/etc/NetworkManager/conf.d",
        path="/etc/NetworkManager/conf.d/90-mesh-expansion.conf",
        text="[main]\ndns=none\nrc-manager=unmanaged\n",
        unit="NetworkManager.service",
        action="reload",
    ),
    Owner(
        name="systemd-resolved",
        installed_if="/usr/lib/systemd/systemd-resolved",
        path="/etc/systemd/resolved.conf.d/zz-mesh-expansion.conf",
        # nss-resolve asks it, whatever resolv.conf says; names without a dot are names of the mesh here. The list of
        # servers is emptied first: it would stay with another server of the list after a single time-out.
        text="[Resolve]\nDNS=\nDNS={listen_address}\nDomains=~.\nResolveUnicastSingleLabel=yes\n",
        unit="systemd-resolved.service",
        action="restart",
    ),
    Owner(
        name="dhclient",
        installed_if="/etc/dhcp/dhclient-enter-hooks.d",
        path="/etc/dhcp/dhclient-enter-hooks.d/mesh-expansion",
        text="# resolv.conf is kept by mesh.expansion: a lease must not rewrite it.\nmake_resolv_conf() { :; }\n",
    ),
    Owner(
        name="cloud-init",
        installed_if="/etc/cloud/cloud.cfg.d",
        path="/etc/cloud/cloud.cfg.d/99-mesh-expansion.cfg",
        text="manage_resolv_conf: false\nmanage_etc_hosts: false\n",
    ),
)

# Directories that the removal deletes unless they were there.
DIRECTORIES = (CONF_DIR, UNIT_DIR, "/etc/systemd/resolved.conf.d")
FILES = (KUBEDNS, OPTIONS, DROP_IN, *(owner.path for owner in OWNERS), HOSTS, RESOLV_CONF)


def owner_text(owner: Owner, settings: Settings) -> str:
    return owner.text.replace("{listen_address}", settings.listen_address)


def kubedns_text(settings: Settings) -> str:
    return _text(resolver.kubedns_lines(settings.services, settings.vip))


def options_text(settings: Settings, upstreams: t.Sequence[str]) -> str:
    lines = resolver.dnsmasq_lines(
        settings.services, settings.vip, settings.service_cidr, upstreams, settings.listen_address
    )
    return _text(["# Managed by mesh.expansion.", *lines])


def resolv_conf_text(settings: Settings, upstreams: t.Sequence[str], original: str) -> str:
    fallback = list(upstreams[:1]) if settings.resolv_conf_fallback else []
    note = f"Managed by mesh.expansion; the original is in {directory(ROLE)}."
    return resolver.resolv_conf(original, [settings.listen_address, *fallback], note)


def hosts_text(original: str, address: str, hostname: str) -> str:
    return resolver.hosts_entry(original.rstrip("\r\n"), address, hostname)


def _text(lines: t.Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
