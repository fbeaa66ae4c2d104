# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM on which everything is as it should be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Put
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh import exposure
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import Seen, Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import look as dns_look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import plan as dns_plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import settings as dns
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import look as sidecar_look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import plan as sidecar_plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

VIP = "192.168.0.62"
ADDRESS = "192.168.0.81"
FQDN = "deb-nginx01.default.svc.cluster.local"
RUNNING = UnitState(loaded=True, active=True, enabled=True, state="active", file_state="enabled", since=1.0)
NAT = """*nat
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 9080 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -m owner --uid-owner 998 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 998 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 0 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 0 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -d 10.233.0.0/16 -j ISTIO_REDIRECT
-A ISTIO_OUTPUT -j RETURN
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""
PROCESSES = (
    "su -s /bin/bash -c exec /usr/local/bin/node_agent --env onprem istio-proxy\n"
    "/usr/bin/python3 /usr/local/bin/node_agent --env onprem\n"
    "su -s /bin/bash -c exec pilot-agent proxy istio-proxy\n"
    "/usr/bin/python3 /usr/local/bin/pilot-agent proxy --serviceCluster rawvm\n"
    "/usr/local/bin/envoy -c /etc/istio/proxy/envoy-rev0.json --restart-epoch 0\n"
)
ENVOY: dict[str, Any] = {
    "clusters": [{"name": f"outbound|9080||{FQDN}"}, {"name": f"inbound|9080||{FQDN}"}],
    "listeners": [{"name": f"{ADDRESS}_9080"}],
    "policy_checks": [],
}


def _applied(there: dict[str, paths.PathState], operations: Any) -> dict[str, paths.PathState]:
    return {**there, **{item.path: item.wanted for item in operations if isinstance(item, Put)}}


@pytest.fixture
def wanted() -> Wanted:
    options = {name: option.get("default") for name, option in dns.OPTIONS.items()}
    services = exposure.exposed_services("reference")
    return Wanted(
        resolver=dns.parse({**options, "vip": VIP, "service_cidr": "10.233.0.0/16", "services": services}),
        sidecar=Settings(
            vip=VIP,
            service_cidr="10.233.0.0/16",
            address=ADDRESS,
            services=[{"name": "deb-nginx01", "port": 9080}],
            extra_env={"ISTIO_META_TOKEN": "s3cret"},
        ),
        cluster_domain="cluster.local",
        host="deb-nginx01",
    )


@pytest.fixture
def healthy(wanted: Wanted) -> Seen:
    """What the roles' own plans make of a bare host, applied."""
    there: dict[str, paths.PathState] = dict.fromkeys((*files.FILES, *files.DIRECTORIES), paths.NOTHING)
    resolv_conf = "nameserver 192.0.2.53\n"
    there[files.HOSTS] = paths.text_file("127.0.0.1 localhost\n")
    there[files.RESOLV_CONF] = paths.text_file(resolv_conf)
    vm = dns_look.Seen(
        paths=there,
        texts={files.RESOLV_CONF: resolv_conf, **dict.fromkeys(files.BEHIND_STUBS, "")},
        packages=dict.fromkeys(["dnsmasq", "bind9-host"], "installed"),
        units={files.UNIT: RUNNING},
        owners=[],
        account=True,
        address=ADDRESS,
        hostname="deb-nginx01",
    )
    footprint = dns_plan.footprint(vm, wanted.resolver)
    vm = dataclasses.replace(vm, paths=_applied(there, dns_plan.join(vm, wanted.resolver)), footprint=footprint)
    proxy = sidecar_look.Seen(
        version="1.0.5",
        account=True,
        address=ADDRESS,
        units=dict.fromkeys(layout.AGENT_AND_PROXY.units, RUNNING),
        envoy_runs=True,
        envoy=sidecar_look.LIVE,
    )
    proxy = dataclasses.replace(proxy, paths=_applied({}, sidecar_plan.plan(proxy, wanted.sidecar)))
    names = {name: VIP for name in wanted.names() if not name.endswith("cluster.local")}
    return Seen(
        resolver=vm,
        sidecar=proxy,
        lookups={name: {"addresses": [address], "said": ""} for name, address in names.items()},
        uid="998",
        gid="998",
        nat=NAT,
        processes=PROCESSES,
        agent_log="info CSR is approved successfully. Will renew cert in 1079h59m51s\n",
        envoy=ENVOY,
    )
