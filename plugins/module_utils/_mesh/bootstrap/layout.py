# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidecar of an istiod reads on a VM, and where. Private to the collection."""

from __future__ import annotations

import dataclasses

ACCOUNT = "istio-proxy"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Places below a root directory, which is ``/`` on a VM that runs."""

    root: str = "/"

    def at(self, path: str) -> str:
        return self.root.rstrip("/") + path

    @property
    def cluster_env(self) -> str:
        return self.at("/var/lib/istio/envoy/cluster.env")

    @property
    def mesh(self) -> str:
        return self.at("/etc/istio/config/mesh")

    @property
    def hosts(self) -> str:
        return self.at("/etc/hosts")

    @property
    def certs(self) -> str:
        """What the agent writes its certificate to, and finds it in after a restart."""
        return self.at("/etc/certs")

    @property
    def root_cert(self) -> str:
        return f"{self.certs}/root-cert.pem"

    @property
    def certificate(self) -> tuple[str, str]:
        return f"{self.certs}/cert-chain.pem", f"{self.certs}/key.pem"

    @property
    def secrets(self) -> str:
        return self.at("/var/run/secrets")

    @property
    def parents(self) -> tuple[str, str]:
        """Directories that a package makes, when there has been one."""
        return self.at("/var/lib/istio/envoy"), self.at("/etc/istio/config")

    @property
    def token_parents(self) -> tuple[str, str]:
        return self.secrets, f"{self.secrets}/tokens"

    @property
    def token(self) -> str:
        return f"{self.secrets}/tokens/istio-token"
