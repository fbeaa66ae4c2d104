# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM for all rows at once. Changes nothing. Private to the collection."""

from __future__ import annotations

import pwd
import socket
import time
import typing as t

from ..._host import commands, paths, systemd
from ..dns import files as dns
from ..identity import files as identity
from ..sidecar import admin, layout

UNITS = (dns.UNIT, *reversed(layout.UNITS))
TEXTS = {
    "kubedns": dns.KUBEDNS,
    "resolv_conf": dns.RESOLV_CONF,
    "hosts": dns.HOSTS,
    "cluster_env": layout.CLUSTER_ENV,
    "sidecar_env": layout.SIDECAR_ENV,
}
OWNED = (
    layout.CERTS,
    *(f"{layout.CERTS}/{name}" for name in ("key.pem", "cert-chain.pem", "root-cert.pem")),
    layout.CLUSTER_ENV,
)
# The last approval is what counts; the agent asks once in hours.
_JOURNAL_LINES = "2000"
_ADMIN = ("127.0.0.1", 15000, 5)


def look(names: t.Sequence[str], listeners: t.Sequence[str], seconds: float) -> dict[str, t.Any]:
    """What the rows of a VM need. A file or program that is missing is what they judge: it is read as empty."""
    seen: dict[str, t.Any] = {name: paths.read_text(path) or "" for name, path in TEXTS.items()}
    lookups = (
        commands.run(["xargs", "-n", "1", "host", "-W", "3", "-t", "A"], stdin="\n".join(names)) if names else None
    )
    units = systemd.look(UNITS)
    seen.update(
        hostname=socket.gethostname().split(".")[0],
        lookups=lookups.stdout if lookups else "",
        lookups_error=lookups.stderr if lookups else "",
        units={name: {"ActiveState": unit.state, "UnitFileState": unit.file_state} for name, unit in units.items()},
        owners={
            path: state.owner
            for path, state in ((path, paths.read(path, content=False)) for path in OWNED)
            if state.owner
        },
        package=_said("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package} ${Version}\n", layout.PACKAGE),
        nat=_said("iptables-save", "-t", "nat"),
        processes=_said("ps", "-e", "-o", "args", "--no-headers", "-ww"),
        agent_log=_said("journalctl", "-u", layout.AGENT_UNIT, "-o", "cat", "--no-pager", "-n", _JOURNAL_LINES),
        identity=identity.inspect(layout.CERTS),
        envoy=_envoy(listeners, seconds),
        **_account(),
    )
    return seen


def _said(*argv: str) -> str:
    return commands.run(argv).stdout


def _account() -> dict[str, str]:
    try:
        found = pwd.getpwnam(layout.USER)
    except KeyError:
        return {"uid": "", "gid": ""}
    return {"uid": str(found.pw_uid), "gid": str(found.pw_gid)}


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
