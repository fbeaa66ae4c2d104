# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site as verification sees it: one director, two nodes, two VMs, all well, in either generation."""

from __future__ import annotations

import copy
import datetime
import functools
from typing import Any

from ansible_collections.mesh.expansion.plugins.module_utils._mesh import generations
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import rows
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.exposure import exposed_services
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import (
    CLUSTER,
    EXPOSURE,
    SECRET,
    VM,
)
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report import build
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.report.model import Edge, Report

from tests.unit.plugins.mesh_pki import NOW, SPIFFE, authority

Json = dict[str, Any]
GOOD = {"problems": [], "good": "fine", "unchecked": ""}
LOST = {"unreachable": True, "msg": "Failed to connect to the host via ssh: No route to host"}
FACTS = {"ansible_kernel": "6.1.0-40-amd64", "ansible_distribution": "Debian", "ansible_distribution_version": "12.12"}

# What istio_vm_certs and istio_vm_bootstrap say of a VM with nothing to do.
KEPT = {"action": "keep", "identity": SPIFFE, "not_after": "2027-01-01"}
BOOTSTRAPPED = {
    "files": [{"kind": "file", "path": "/etc/certs/root-cert.pem"}],
    "outdated": [],
    "host": "istiod.istio-system.svc",
    "certificate": {"identity": SPIFFE, "not_after": "2027-01-01"},
    "token": {"action": "none"},
    "actual": {"token": {"exists": False}, "identity": {"files": {"key.pem": {"exists": False}}}},
}


@functools.cache
def certificates(host: str) -> Json:
    files = authority().issue()
    return {"chain": files["cert-chain.pem"].decode(), "root": files["root-cert.pem"].decode()}


class Site:
    """What the modules return; a test changes it and asks for the report."""

    def __init__(self, control_plane: str = "citadel") -> None:
        self.generation = generations.generation(control_plane)
        profile = {"citadel": "secure", "istiod": "istiod"}[control_plane]
        self.site: Json = {
            "control_plane": control_plane,
            "vip": "192.168.0.62",
            "istio_namespace": "istio-system",
            "services": exposed_services(profile),
            "directors": [{"name": "lvs1", "address": "192.168.0.61"}],
            "nodes": [{"name": f"node{n}", "address": f"192.168.0.7{n}"} for n in (1, 2)],
            "vms": [{"name": f"web{n}", "address": f"192.168.0.8{n}"} for n in (1, 2)],
        }
        self.directors: Json = {"lvs1": {"operations": [], "refusals": [], "drained": [], "places": ["eth0/32"]}}
        own = [text.check for text in self.generation.rows if text.scope == VM]
        checks = {name: GOOD for name in own if name not in ("identity", "lookups", "bootstrap")}
        checks["package"] = {**GOOD, "good": "istio-sidecar 1.31.0"}
        self.vms: Json = {
            name: {"checks": copy.deepcopy(checks), "lookups": {}, "identity": certificates(name)}
            for name in ("web1", "web2")
        }
        self.cluster: Json = {"names": {}, "checks": [*self._cluster_checks()]}
        self.facts: Json = {name: {"ansible_facts": FACTS} for name in ("lvs1", "node1", "node2", "web1", "web2")}
        self.envoys: Json = {"web1": {"server": {"version": "8c2/1.40.0/Clean/RELEASE/BoringSSL"}}}
        labels = dict(self.generation.control_plane_pods)
        pods = {"template_labels": labels, "images": ["registry.example.com/istio/pilot:1.31.0"]}
        self.api: Json = {"version": "v1.36.3", "documents": [{"kind": "Deployment", "items": [pods]}]}

    def _cluster_checks(self) -> list[Json]:
        found = []
        for text in self.generation.rows:
            hosts = ["cluster"] if text.check in (EXPOSURE, "settings") else ["web1", "web2"]
            if text.scope == CLUSTER:
                found += [{"check": text.check, "service": text.service, "host": host, **GOOD} for host in hosts]
        return found

    def fail(self, check: str, host: str, problem: str) -> None:
        """A check of the cluster or of a VM finds something."""
        for said in self.cluster.get("checks", []):
            if (said["check"], said["host"]) == (check, host):
                said["problems"] = [problem]
        if check in self.vms.get(host, {}).get("checks", {}):
            self.vms[host]["checks"][check] = {**GOOD, "problems": [problem]}

    def lose(self, host: str) -> None:
        for found in (self.directors, self.vms):
            if host in found:
                found[host] = LOST
        self.facts[host] = {} if host in self.directors or host in self.vms else LOST

    def rows(self) -> list[Json]:
        identity = KEPT if self.generation.identity == SECRET else BOOTSTRAPPED
        judged = rows.rows(
            self.generation, self.cluster, self.directors, self.vms, dict.fromkeys(self.vms, identity), "loaded"
        )
        return [row._asdict() for row in judged]

    def looks(self) -> build.Looks:
        return build.Looks(self.directors, self.vms, self.facts, self.envoys, self.cluster, self.api)

    def report(self, days: float = 0) -> Report:
        """As it is made some days from now."""
        moment = NOW + datetime.timedelta(days=days)
        return build.build(self.site, self.rows(), self.looks(), moment, 30)


def edge(report: Report, source: str, target: str) -> Edge:
    (found,) = [edge for edge in report.edges if (edge.source, edge.target) == (source, target)]
    return found
