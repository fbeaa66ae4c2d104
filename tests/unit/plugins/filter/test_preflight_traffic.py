# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose variables the filter reads: a VM's traffic is the same whatever the other VMs are."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.filter.preflight_traffic import preflight_traffic
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.preflight import traffic
from ansible_collections.mesh.expansion.plugins.plugin_utils import _variables

COMMON = {"mesh_vip": "192.168.0.62", "mesh_service_cidr": "10.233.0.0/16", "mesh_pod_cidr": "10.244.0.0/16"}
SERVICES = {"mesh_vm_services": [{"name": "web", "port": 9080, "protocol": "http"}]}
HOSTS = {
    "lvs1": {"ansible_host": "192.168.0.61"},
    "node1": {"ansible_host": "192.168.0.71"},
    "web1": {"ansible_host": "192.168.0.81", **SERVICES},
    "web2": {"ansible_host": "192.168.0.82", **SERVICES},
    "both": {"ansible_host": "192.168.0.83", **SERVICES},
}
GROUPS = {"director": ["lvs1"], "k8s_nodes": ["node1", "both"], "vms": ["web1", "web2", "both"]}


class Variables(dict[str, Any]):
    """Of one host; notes that they were read."""

    def __init__(self, name: str, read: set[str]) -> None:
        super().__init__({**COMMON, **HOSTS[name]})
        self.name, self.noted = name, read

    def get(self, key: str, default: Any = None) -> Any:
        self.noted.add(self.name)
        return super().get(key, default)


class Context:
    """What a template sees of its host's variables."""

    def __init__(self, host: str) -> None:
        self.read: set[str] = set()
        hostvars = {name: Variables(name, self.read) for name in HOSTS}
        self.known = {**COMMON, **HOSTS[host], "inventory_hostname": host, "groups": GROUPS, "hostvars": hostvars}

    def resolve_or_missing(self, name: str) -> Any:
        return self.known.get(name)


@pytest.mark.parametrize("host", HOSTS)
def test_it_is_that_of_the_whole_site(host: str) -> None:
    context = Context(host)
    assert preflight_traffic(context, host) == traffic.traffic(_variables.site(Context(host), host), host) != []


@pytest.mark.parametrize(
    ("host", "others"),
    [
        ("web1", {"lvs1", "node1", "both"}),
        ("node1", {"lvs1", "both", "web1", "web2"}),
        ("both", {"lvs1", "node1", "web1", "web2"}),
    ],
)
def test_of_other_vms_only_what_meets_them_reads(host: str, others: set[str]) -> None:
    context = Context(host)
    preflight_traffic(context, host)
    assert context.read - {host} == others
