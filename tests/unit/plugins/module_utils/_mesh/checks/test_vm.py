# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM on which all is well holds every check; each defect fails its own, and says what is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import vm
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import Seen, Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.model import Finding
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.dns import files
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout

from .conftest import ENVOY, FQDN, NAT, VIP

FAILED = UnitState(loaded=True, enabled=True, state="failed", file_state="enabled")
CHECK = {
    "cluster": "outbound|9091||istio-policy.istio-system.svc.cluster.local",
    "filter": "mixer",
    "listener": "192.168.0.81_9080",
    "fail_mode": "closed",
}
ENDPOINT = {"address": "10.244.1.5", "port": 9091, "healthy": True, "connections": 0, "failed_connections": 0}


def failed(found: Mapping[str, Finding]) -> dict[str, str]:
    return {name: "; ".join(item.problems) for name, item in found.items() if item.problems}


def with_text(path: str, change: Callable[[str], str]) -> Callable[[Seen], Seen]:
    """The same VM with another content of one file."""

    def edit(seen: Seen) -> Seen:
        part = "sidecar" if path in (layout.CLUSTER_ENV, layout.SIDECAR_ENV) else "resolver"
        there = getattr(seen, part).paths
        text = change((there[path].content or b"").decode())
        changed = dataclasses.replace(there[path], content=text.encode())
        return dataclasses.replace(
            seen, **{part: dataclasses.replace(getattr(seen, part), paths={**there, path: changed})}
        )

    return edit


def replaced(part: str, **values: Any) -> Callable[[Seen], Seen]:
    return lambda seen: dataclasses.replace(seen, **{part: dataclasses.replace(getattr(seen, part), **values)})


def other(**values: Any) -> Callable[[Seen], Seen]:
    return lambda seen: dataclasses.replace(seen, **values)


def test_a_healthy_vm_holds_every_check(wanted: Wanted, healthy: Seen) -> None:
    found = vm.judge(wanted, healthy)
    assert failed(found) == {}
    assert sorted(found) == [
        "agent", "cluster_env", "inbound", "names_file", "package", "policy", "proxy", "pushed", "resolver",
    ]  # fmt: skip
    assert found["cluster_env"].good.startswith("ISTIO_SERVICE_CIDR=10.233.0.0/16")
    assert found["inbound"].good == "ISTIO_INBOUND_PORTS=9080"
    assert found["agent"].good.endswith("1079h59m51s")


@pytest.mark.parametrize(
    ("change", "check", "text"),
    [
        (
            with_text(files.KUBEDNS, lambda text: text.replace(f"server=/svc.cluster.local/{VIP}\n", "")),
            "names_file",
            f"lacks server=/svc.cluster.local/{VIP}",
        ),
        (with_text(files.KUBEDNS, lambda text: text + "address=/x/1.2.3.4\n"), "names_file", "has address=/x/1.2.3.4"),
        (
            with_text(layout.CLUSTER_ENV, lambda text: text.replace("MUTUAL_TLS", "NONE")),
            "cluster_env",
            "lacks ISTIO_CP_AUTH=MUTUAL_TLS, has ISTIO_CP_AUTH=NONE",
        ),
        (with_text(files.RESOLV_CONF, lambda text: "nameserver 8.8.8.8\n"), "resolver", "has nameserver 8.8.8.8"),
        (with_text(files.HOSTS, lambda text: "127.0.0.1 localhost\n"), "resolver", "lacks 192.168.0.81 deb-nginx01"),
        (replaced("resolver", packages={"dnsmasq": "installed"}), "resolver", "package bind9-host is not installed"),
        (replaced("resolver", newer=True), "resolver", "older than its configuration"),
        (replaced("sidecar", version=""), "package", "package istio-sidecar is not installed"),
        (
            replaced("sidecar", foreign={"/var/lib/istio/x": paths.PathState(paths.FILE, owner="root")}),
            "package",
            "/var/lib/istio/x belongs to root",
        ),
        (other(agent_log="error: CSR rejected"), "agent", "no approved"),
        (other(nat=NAT.replace("--gid-owner 998", "--gid-owner 5")), "proxy", "group 998"),
        (other(nat=NAT.replace("10.233.0.0/16", "10.0.0.0/8")), "proxy", "10.233.0.0/16"),
        (other(nat=NAT.replace("15001", "15002")), "proxy", "15001"),
        (other(processes="/usr/bin/python3 /usr/local/bin/pilot-agent proxy\n"), "proxy", "no process envoy"),
        (replaced("sidecar", newer=["/var/lib/istio/envoy/sidecar.env"]), "proxy", "has to be restarted"),
        (replaced("sidecar", envoy="PRE_INITIALIZING"), "proxy", "wait until Envoy has its configuration"),
        (
            with_text(layout.SIDECAR_ENV, lambda text: text.replace("PORTS=9080", "PORTS=80")),
            "inbound",
            "lacks ISTIO_INBOUND_PORTS=9080, has ISTIO_INBOUND_PORTS=80",
        ),
        (other(nat=NAT.replace("--dport 9080", "--dport 80")), "inbound", "9080 is not captured"),
        (other(envoy={**ENVOY, "clusters": []}), "pushed", f"no cluster outbound|9080||{FQDN}"),
        (other(envoy={**ENVOY, "listeners": []}), "pushed", "no listener 192.168.0.81_9080"),
    ],
)
def test_each_defect_fails_its_check_alone(
    wanted: Wanted, healthy: Seen, change: Callable[[Seen], Seen], check: str, text: str
) -> None:
    found = failed(vm.judge(wanted, change(healthy)))
    assert list(found) == [check]
    assert text in found[check]


def test_an_envoy_that_is_silent_fails_what_it_would_say(wanted: Wanted, healthy: Seen) -> None:
    found = failed(vm.judge(wanted, other(envoy={"msg": "connection refused"})(healthy)))
    assert found["pushed"] == "connection refused"
    assert "could not be read" in found["policy"]


@pytest.mark.parametrize(
    ("part", "unit", "checks"),
    [
        ("resolver", files.UNIT, {"resolver"}),
        ("sidecar", layout.AGENT_UNIT, {"package", "agent"}),
        ("sidecar", layout.SIDECAR_UNIT, {"package", "proxy"}),
    ],
)
def test_a_dead_unit_fails_its_checks(wanted: Wanted, healthy: Seen, part: str, unit: str, checks: set[str]) -> None:
    units = {**getattr(healthy, part).units, unit: FAILED}
    found = failed(vm.judge(wanted, replaced(part, units=units)(healthy)))
    assert set(found) == checks
    assert all(f"{unit} is failed/enabled" in text for text in found.values())


def test_values_of_extra_settings_are_not_shown(wanted: Wanted, healthy: Seen) -> None:
    edit = with_text(layout.SIDECAR_ENV, lambda text: text.replace("s3cret", "0ther"))
    (text,) = vm.judge(wanted, edit(healthy))["inbound"].problems
    assert "s3cret" not in text
    assert "0ther" not in text
    assert text.startswith(layout.SIDECAR_ENV)


def test_owner_and_mode_are_told_apart_from_the_content(wanted: Wanted, healthy: Seen) -> None:
    there = healthy.sidecar.paths
    changed = {**there, layout.CLUSTER_ENV: dataclasses.replace(there[layout.CLUSTER_ENV], owner="root", mode="0600")}
    (text,) = vm.judge(wanted, replaced("sidecar", paths=changed)(healthy))["cluster_env"].problems
    assert text.endswith("belongs to root:istio-proxy with mode 0600, should be istio-proxy:istio-proxy with 0644")


def test_a_file_that_is_missing_is_called_so(wanted: Wanted, healthy: Seen) -> None:
    there = {**healthy.resolver.paths, files.KUBEDNS: paths.NOTHING}
    found = failed(vm.judge(wanted, replaced("resolver", paths=there)(healthy)))
    assert found == {"names_file": f"{files.KUBEDNS} is missing, should be a file"}


def test_a_policy_filter_that_fails_closed_is_explained(wanted: Wanted, healthy: Seen) -> None:
    def policy(**changes: Any) -> Finding:
        check = {**CHECK, "endpoints": [{**ENDPOINT, "reachable": False}], **changes}
        return vm.judge(wanted, other(envoy={**ENVOY, "policy_checks": [check]})(healthy))["policy"]

    (text,) = policy().problems
    for word in (
        CHECK["cluster"],
        "10.244.1.5:9091",
        "unreachable from deb-nginx01",
        "fails closed",
        "mesh_policy",
        "disablePolicyChecks: true",
    ):
        assert word in text
    assert policy(fail_mode="open").problems == []
    assert policy(endpoints=[{**ENDPOINT, "reachable": True}]).problems == []
    # Reached, but Envoy sends nothing to an endpoint that its health checks gave up.
    assert len(policy(endpoints=[{**ENDPOINT, "reachable": True, "healthy": False}]).problems) == 1
