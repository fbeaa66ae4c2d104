# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM for all rows at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import dataclasses
import time
import typing as t

from ..._host import accounts, commands
from ..dns import files as dns_files
from ..dns import look as dns
from ..dns.settings import Settings as DnsSettings
from ..sidecar import admin, layout
from ..sidecar import look as sidecar
from ..sidecar.settings import Settings as SidecarSettings
from .lookups import look_up

# The last approval is what counts; the agent asks once in hours.
_JOURNAL_LINES = "2000"
_ADMIN = ("127.0.0.1", 15000, 5)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the roles would be told, and what verification asks beside it."""

    resolver: DnsSettings
    sidecar: SidecarSettings
    cluster_domain: str
    # What the VM is called in messages.
    host: str

    def names(self) -> list[str]:
        """Short names, names with the namespace, and the cluster's full ones."""
        found = []
        for service in self.resolver.services:
            for name in service.get("dns_names") or ():
                long = f"{name}.{service['namespace']}"
                found += [name, long, f"{long}.svc.{self.cluster_domain}"]
        return list(dict.fromkeys(found))


@dataclasses.dataclass(frozen=True)
class Seen:
    """The VM as it is: what the roles' own looks see, and what only a running sidecar shows."""

    resolver: dns.Seen
    sidecar: sidecar.Seen
    # Of each name its addresses, or what was said instead.
    lookups: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict)
    uid: str = ""
    gid: str = ""
    nat: str = ""
    processes: str = ""
    agent_log: str = ""
    # Envoy's report, or why there is none as C(msg).
    envoy: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def look(wanted: Wanted, seconds: float) -> Seen:
    """A file or program that is missing is what the rows judge: it is read as empty."""
    resolver = dns.look(wanted.resolver)
    proxy = sidecar.look(wanted.sidecar)
    uid, gid = _account()
    return Seen(
        resolver=resolver,
        sidecar=proxy,
        lookups=look_up(wanted.names(), resolver.texts[dns_files.RESOLV_CONF]),
        uid=uid,
        gid=gid,
        nat=_said("iptables-save", "-t", "nat"),
        processes=_said("ps", "-e", "-o", "args", "--no-headers", "-ww"),
        agent_log=_said("journalctl", "-u", layout.AGENT_UNIT, "-o", "cat", "--no-pager", "-n", _JOURNAL_LINES),
        envoy=_envoy([f"{proxy.address}_{service['port']}" for service in wanted.sidecar.services], seconds),
    )


def _said(*argv: str) -> str:
    return commands.run(argv).stdout


def _account() -> tuple[str, str]:
    if not accounts.exists(layout.USER):
        return "", ""
    return str(accounts.uid_of(layout.USER)), str(accounts.gid_of(layout.USER))


def _envoy(listeners: t.Sequence[str], seconds: float) -> dict[str, t.Any]:
    """What Envoy was told, waiting for what Pilot pushes. Only an Envoy that answers is waited for."""
    until = time.monotonic() + seconds
    while True:
        try:
            report = admin.read_report(*_ADMIN)
        except admin.AdminError as exc:
            return {"msg": str(exc)}
        missing = set(listeners) - {item["name"] for item in report["listeners"]}
        if not missing or time.monotonic() >= until:
            return report
        time.sleep(1)
