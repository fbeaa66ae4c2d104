# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the generations in the benchmark `onboarding`: the script, what it is told, who has joined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lab import config
from lab import inventory as lab_inventory
from lab.build import istio, kubernetes

Ask = Callable[[str], str]
"""What a VM prints for a shell line."""


@dataclass(frozen=True)
class Way:
    """How VMs come into the mesh of one generation of the lab."""

    generation: str
    script: str
    environment: Callable[[], dict[str, str]]
    # Why a VM has not joined, or nothing.
    lacks: Callable[[Ask], str]


def _common(istiod: bool) -> dict[str, str]:
    site = config.topology()
    kubectl = kubernetes.binary("kubectl", config.shape().kubernetes)
    return {
        "SSH_CONFIG": str(config.ssh_dir() / "config"),
        "KUBECTL": f"{kubectl} --kubeconfig={config.admin_kubeconfig()}",
        "VIP": site.vip,
        "PACKAGE": lab_inventory.site_vars(site, istiod)["mesh_sidecar_package"],
        "PORT": str(lab_inventory.SERVICE_PORT),
    }


def _citadel() -> dict[str, str]:
    site = config.topology()
    return {**_common(istiod=False), "SERVICE_CIDR": site.service_cidr, "UPSTREAM": site.upstream_dns}


def _istiod() -> dict[str, str]:
    program = f"{istio.istioctl()} --kubeconfig={config.admin_kubeconfig()}"
    return {**_common(istiod=True), "ISTIOCTL": program}


def _lacks_pilot(ask: Ask) -> str:
    """Names answer with the virtual address, and Envoy has its configuration."""
    address = ask("getent ahostsv4 istio-pilot | head -n 1 | cut -d ' ' -f 1").strip()
    state = ask("curl -sS --max-time 10 http://127.0.0.1:15000/server_info")
    if address != config.topology().vip or "LIVE" not in state:
        return f"istio-pilot is {address!r}, Envoy says {state[:300]!r}"
    return ""


def _lacks_istiod(ask: Ask) -> str:
    """The name answers with the virtual address, and the sidecar is ready with a certificate."""
    address = ask("getent ahostsv4 istiod.istio-system.svc | head -n 1 | cut -d ' ' -f 1").strip()
    ready = ask("curl -s -o /dev/null --max-time 10 -w '%{http_code}' http://127.0.0.1:15021/healthz/ready || true")
    chain = ask("test -s /etc/certs/cert-chain.pem && echo there || true").strip()
    if (address, ready, chain) != (config.topology().vip, "200", "there"):
        return f"istiod.istio-system.svc is {address!r}, the sidecar answers {ready!r}, its certificate is {chain!r}"
    return ""


WAYS = {
    way.generation: way
    for way in (
        Way("citadel", "onboarding.sh", _citadel, _lacks_pilot),
        Way("istiod", "onboarding_istiod.sh", _istiod, _lacks_istiod),
    )
}
