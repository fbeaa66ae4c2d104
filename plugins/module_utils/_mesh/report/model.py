# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a report shows of a site: hosts, the connections between them, rows, and what ends when. Pure.

Private to the collection.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ..checks.model import FAILED, OK, UNCHECKED, WARNING, Row

# Of a node that takes no new connections, as somebody wanted.
OUT = "out of service"
DIRECTOR, NODE, VM, CLUSTER = "director", "node", "vm", "cluster"
# The ways of a connection: to the virtual address, on from there, and from pods.
TO_VIP, FORWARD, ACCEPT, FROM_PODS = "to the VIP", "forwarded", "accepted", "from pods"
NOT_LOOKED_AT, NOT_REACHED = "not looked at", "not reached"
TIME = "%Y-%m-%dT%H:%M:%SZ"

_SECRETS = (
    # A JSON web token, a private key, what follows a scheme of authorisation.
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?"),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=\b[Bb]earer )\S+"),
)
# They would end a line, or turn what follows them round.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


class Host(t.NamedTuple):
    """A host of the inventory; C(reached) is None when nobody looked at it."""

    role: str
    name: str
    address: str
    state: str = OK
    note: str = ""
    reached: bool | None = True
    versions: t.Mapping[str, str] = {}
    # Why it was not reached.
    reason: str = ""


class Edge(t.NamedTuple):
    """A way that connections take, with its state."""

    kind: str
    source: str
    target: str
    state: str
    detail: str = ""
    # Of a director that holds no address, and would forward.
    standby: bool = False


class Service(t.NamedTuple):
    """A Service of the control plane on the virtual address."""

    name: str
    ports: str
    state: str


class Ending(t.NamedTuple):
    """A certificate or a token, with the hosts that have it."""

    kind: str
    name: str
    start: datetime.datetime
    end: datetime.datetime
    state: str
    hosts: t.Tuple[str, ...]
    fingerprint: str = ""


class Report(t.NamedTuple):
    moment: datetime.datetime
    control_plane: str
    releases: str
    vip: str
    vip_state: str
    cluster: Host
    hosts: t.Sequence[Host]
    services: t.Sequence[Service]
    edges: t.Sequence[Edge]
    rows: t.Sequence[Row]
    endings: t.Sequence[Ending]

    def of(self, role: str) -> list[Host]:
        return [host for host in self.hosts if host.role == role]

    def edges_of(self, kind: str) -> list[Edge]:
        return [edge for edge in self.edges if edge.kind == kind]


def clean(value: object) -> str:
    """A text from a host as one line, without what is a secret by its looks."""
    text = str(value)
    for pattern in _SECRETS:
        text = pattern.sub("(left out: a secret)", text)
    return " ".join(_UNSEEN.sub(" ", text).split())


def worst(states: t.Iterable[str]) -> str:
    """What could not be checked is no fault as long as something was."""
    found = set(states)
    return next((state for state in (FAILED, WARNING, OK, OUT) if state in found), UNCHECKED)


def hosts_of(row: Row) -> list[str]:
    """A row may be about several VMs."""
    return row.host.split(", ")
