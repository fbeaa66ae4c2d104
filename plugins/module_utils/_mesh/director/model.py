# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted of a director, and what was seen on it, as values. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._host.addresses import Address, Place, home_of
from ..._host.footprint import Footprint
from ..._host.paths import NOTHING, PathState
from ..._host.systemd import UnitState
from ..._ipvs import drain, model, options

PRESENT, ABSENT, DRAINED, UNDRAINED = "present", "absent", "drained", "undrained"
STANDBY, READY = "standby", "ready"
STATES = (PRESENT, ABSENT, DRAINED, UNDRAINED, STANDBY, READY)
REFUSE, TAKEOVER = "refuse", "takeover"
NONE, KEEPALIVED = "none", "keepalived"
INHIBIT, REMOVE = "inhibit", "remove"
KUBE_PROXY, END_TO_END = "kube_proxy", "end_to_end"

Service = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The options of both modules."""

    vip: Address
    state: str = PRESENT
    services: t.Sequence[Service] = ()
    sysctls: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    interface: str = ""
    python: str = "/usr/bin/python3"
    ipvsadm_boot: str = REFUSE
    node: Address | None = None
    host: str = "this host"
    managed: str = "Ansible managed"
    # All directors of the site, each with name and address, in the inventory's order.
    directors: t.Sequence[t.Mapping[str, str]] = ()
    ha: str = NONE
    router_id: int = 0
    priority: int = 0
    advert_interval: float = 0.3
    health: str = NONE
    health_port: int = 10256
    health_path: str = "/healthz"
    health_failed: str = INHIBIT
    health_quorum: int = 1
    health_check: str = KUBE_PROXY
    # For the questions that go to the virtual address through a node.
    health_address: Address | None = None
    health_tls: t.Mapping[int, str] = dataclasses.field(default_factory=dict)
    # PEM; empty leaves those that are there.
    health_roots: str = ""
    health_dns_name: str = ""
    keepalived: str = REFUSE

    @property
    def vrrp(self) -> bool:
        """Whether keepalived holds the address."""
        return self.ha == KEEPALIVED

    @property
    def checks(self) -> bool:
        """Whether keepalived looks after the real servers, and writes the kernel's table while it runs."""
        return self.health == KEEPALIVED

    @property
    def end_to_end(self) -> bool:
        """Whether nodes are asked for the services themselves, from an address of its own."""
        return self.checks and self.health_check == END_TO_END

    @property
    def uses_keepalived(self) -> bool:
        return self.vrrp or self.checks

    @property
    def modules(self) -> tuple[str, ...]:
        schedulers = {str(service.get("scheduler") or "wlc") for service in self.services}
        return ("ip_vs", *(f"ip_vs_{scheduler}" for scheduler in sorted(schedulers)))


@dataclasses.dataclass(frozen=True)
class Seen:
    """All that decisions need to know about the host."""

    interfaces: t.Sequence[str] = ()
    places: t.Sequence[Place] = ()
    # Those that the kernel has; they come with the module.
    sysctls: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    missing_modules: t.Sequence[str] = ()
    files: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    # What is installed below the package's directory, by path.
    package: t.Mapping[str, PathState] = dataclasses.field(default_factory=dict)
    # Names in the directories that others may use too.
    listings: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    keepalived: t.Sequence[str] = ()
    dropping: t.Sequence[str] = ()
    answered_by: t.Sequence[str] = ()
    # Hardware addresses of the other directors, which may answer.
    peers: t.Sequence[str] = ()
    unit: UnitState = UnitState()
    keepalived_unit: UnitState = UnitState()
    health_unit: UnitState = UnitState()
    probe_unit: UnitState = UnitState()
    # Whether there is a network namespace of the name that the probe's has.
    namespace: bool = False
    # Hardware addresses that answer for the address that services are asked from.
    claimed_by: t.Sequence[str] = ()
    # State of each package, as far as keepalived is used.
    packages: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # What would go with the package of keepalived, if this role brought it.
    surplus: t.Sequence[str] = ()
    # Synchronisation of connections in the kernel: master, backup.
    daemons: t.Sequence[str] = ()
    # Places of nodes that do not answer the check now, as far as the table differs for them.
    failing: t.Sequence[str] = ()
    table: model.Table = dataclasses.field(default_factory=dict)
    # What drain noted: weights by node, service and real server.
    drained: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    # The table of the next boot, as it is in its file.
    saved: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    footprint: Footprint | None = None
    # Whether the footprint is one that an older release wrote.
    old_footprint: bool = False

    def file(self, path: str) -> PathState:
        return self.files.get(path, NOTHING)

    def is_drained(self, node: Address) -> bool:
        return str(node) in self.drained


def devices(wanted: Wanted, seen: Seen) -> list[str]:
    """The interface that holds the address, if there is exactly one to choose."""
    return [wanted.interface] if wanted.interface else home_of(seen.places, wanted.vip)


def device(wanted: Wanted, seen: Seen) -> str:
    """The same where it was chosen by an earlier run: empty when it cannot be told."""
    found = devices(wanted, seen)
    return found[0] if len(found) == 1 else ""


def held_at(wanted: Wanted, seen: Seen) -> list[Place]:
    """Where the virtual address is."""
    return [place for place in seen.places if place.address == wanted.vip]


def services(wanted: Wanted, seen: Seen) -> list[Service]:
    """The services as they are to be: nodes that were drained stay out until they are put back."""
    return drain.drained(wanted.services, list(seen.drained))


def former(wanted: Wanted, seen: Seen) -> list[Address]:
    """Virtual addresses of an earlier run."""
    known = [drain.address_of(text) for text in seen.saved.get("vips") or []]
    return [address for address in known if address != wanted.vip]


def node_weights(wanted: Wanted, seen: Seen) -> dict[str, t.Any]:
    """How the node is taken out of the kernel's table, and put back with the weights that it had."""
    listed = [options.to_options(seen.table[key]) for key in sorted(seen.table)]
    return drain.node_plan(listed, str(wanted.node), seen.drained.get(str(wanted.node)) or {})
