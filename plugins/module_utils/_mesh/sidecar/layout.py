# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a sidecar lives on a VM: what all packages share, and what differs from one layout to the next.

Private to the collection.
"""

from __future__ import annotations

import dataclasses
import typing as t

ROLE = "istio_sidecar"
PACKAGE = "istio-sidecar"
USER = "istio-proxy"
AGENT_UNIT, SIDECAR_UNIT = "istio-auth-node-agent.service", "istio.service"
# Where an enabled unit has a link.
WANTS = "/etc/systemd/system/multi-user.target.wants"
HOME = "/var/lib/istio"
ENV_DIR = f"{HOME}/envoy"
CLUSTER_ENV, SIDECAR_ENV = f"{ENV_DIR}/cluster.env", f"{ENV_DIR}/sidecar.env"
# The package makes /etc/istio a link to its home.
MESH_CONFIG, MESH_CONFIG_LINKED = f"{HOME}/config/mesh", "/etc/istio/config/mesh"
CERTS = "/etc/certs"
ROOT_CERT = f"{CERTS}/root-cert.pem"
# What a VM proves by who it is. The sidecar renews it.
IDENTITY = (f"{CERTS}/key.pem", f"{CERTS}/cert-chain.pem", ROOT_CERT)
SECRETS = "/var/run/secrets"
HOSTS = "/etc/hosts"
LOGS = "/var/log/istio"
LOGROTATE = "/etc/logrotate.d/mesh-expansion-istio"
PROGRAMS = "/usr/local/bin"
CACHE = "/var/cache/mesh-expansion"
# dpkg writes it when it installs the package.
PACKAGE_LIST = "/var/lib/dpkg/info/istio-sidecar.list"
# Envoy's memory for hot restarts.
SHARED_MEMORY = "/dev/shm/envoy_shared_memory_0"
# What the removal deletes unless it was there before; files before their directories.
PATHS = (
    f"{CERTS}/key.pem",
    f"{CERTS}/cert-chain.pem",
    ROOT_CERT,
    CERTS,
    "/etc/istio",
    HOME,
    LOGS,
    SHARED_MEMORY,
    CACHE,
)
# Of a sidecar that asks for its certificate with a token.
TOKEN_PATHS = (
    f"{SECRETS}/tokens/istio-token",
    f"{SECRETS}/tokens",
    # The agent's socket.
    f"{SECRETS}/workload-spiffe-uds",
    SECRETS,
    LOGROTATE,
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """What differs. A generation of the control plane has one."""

    # In the order of their start.
    units: t.Sequence[str]
    # Whether the sidecar asks for its certificate with a token, and its settings are files that istio_vm_bootstrap has
    # made. Otherwise this role makes them.
    bootstrapped: bool
    # A page that answers 200 when the sidecar is ready; empty: Envoy's own word is asked for.
    ready: str
    # The port that captured connections of others come in at.
    inbound: int
    # Programs of the packet filter whose tables the sidecar's chains may be in.
    filters: t.Sequence[str]
    # Commands that tell why it does not work; C({istio_namespace}) stands for the control plane's.
    hint: str

    @property
    def paths(self) -> tuple[str, ...]:
        """What the removal deletes unless it was there before."""
        return (*PATHS, *TOKEN_PATHS) if self.bootstrapped else PATHS

    @property
    def settings(self) -> tuple[str, str]:
        """The files below its home that the role puts in place, and that a sidecar reads at its start only."""
        return CLUSTER_ENV, MESH_CONFIG if self.bootstrapped else SIDECAR_ENV

    def is_setting(self, path: str) -> bool:
        return path in (*self.settings, MESH_CONFIG_LINKED)


# Istio 1.0 to 1.4. The certificate agent comes first: it renews what the proxy uses.
AGENT_AND_PROXY = Layout(
    units=(AGENT_UNIT, SIDECAR_UNIT),
    bootstrapped=False,
    ready="",
    inbound=15001,
    filters=("iptables",),
    hint=(
        f"journalctl -u istio -u istio-auth-node-agent -n 50; tail -n 50 {LOGS}/istio.log; "
        "host istio-pilot.{istio_namespace}"
    ),
)
# One unit, whose agent gets the certificate. It chooses between the two kinds of packet filter by itself.
ONE_AGENT = Layout(
    units=(SIDECAR_UNIT,),
    bootstrapped=True,
    ready="http://127.0.0.1:15021/healthz/ready",
    inbound=15006,
    filters=("iptables-legacy", "iptables-nft"),
    hint=(
        f"journalctl -u istio -n 50; tail -n 50 {LOGS}/istio.err.log {LOGS}/istio.log; "
        "getent hosts istiod.{istio_namespace}.svc"
    ),
)
LAYOUTS = (AGENT_AND_PROXY, ONE_AGENT)
# All of them, in the order of their start.
UNITS = (AGENT_UNIT, SIDECAR_UNIT)


def of_units(loaded: t.Collection[str]) -> Layout | None:
    """That of the package on a host, by the units that it has brought; one may have all units of another."""
    found = [made for made in LAYOUTS if set(made.units) <= set(loaded)]
    return max(found, key=lambda made: len(made.units), default=None)
