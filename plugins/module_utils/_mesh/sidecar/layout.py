# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the sidecar of Istio 1.0 to 1.4 lives on a VM. Private to the collection."""

from __future__ import annotations

ROLE = "istio_sidecar"
PACKAGE = "istio-sidecar"
USER = "istio-proxy"
AGENT_UNIT, SIDECAR_UNIT = "istio-auth-node-agent.service", "istio.service"
# The certificate agent comes first: it renews what the proxy uses.
UNITS = (AGENT_UNIT, SIDECAR_UNIT)
# Where an enabled unit has a link.
WANTS = "/etc/systemd/system/multi-user.target.wants"
HOME = "/var/lib/istio"
ENV_DIR = f"{HOME}/envoy"
CLUSTER_ENV, SIDECAR_ENV = f"{ENV_DIR}/cluster.env", f"{ENV_DIR}/sidecar.env"
CERTS = "/etc/certs"
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
    f"{CERTS}/root-cert.pem",
    CERTS,
    "/etc/istio",
    HOME,
    "/var/log/istio",
    SHARED_MEMORY,
    CACHE,
)
