# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a VM of an istiod: on one where all is well nothing is found, and each fault has its row."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import paths
from ansible_collections.mesh.expansion.plugins.module_utils._host.systemd import UnitState
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks import vm_istiod
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import Seen as OtherSeen
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look import Wanted as OtherWanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.checks.look_istiod import Answer, Seen, Wanted
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.istiod import ISTIOD
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.generations.model import VM
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import layout
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import look as sidecar_look
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import plan as sidecar_plan
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import Settings

from .conftest import RUNNING, VIP

ISTIOD_NAME = "istiod.istio-system.svc"
KUBERNETES = "kubernetes.default.svc.cluster.local"
SERVER = "http://server.default:8080/"
GATEWAY = f"{VIP}:15443"
# As iptables-legacy-save printed it in the lab; the group's number is the account's.
NAT = """*nat
:PREROUTING ACCEPT [1:60]
:OUTPUT ACCEPT [29:1740]
:ISTIO_INBOUND - [0:0]
:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_OUTPUT_DNS - [0:0]
:ISTIO_REDIRECT - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A OUTPUT -j ISTIO_OUTPUT
-A ISTIO_INBOUND -p tcp -m tcp --dport 15008 -j RETURN
-A ISTIO_INBOUND -p tcp -m tcp --dport 9080 -j ISTIO_IN_REDIRECT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m multiport ! --dports 53,15008 -m owner --uid-owner 999 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -p tcp -m tcp ! --dport 53 -m owner ! --uid-owner 999 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 999 -j RETURN
-A ISTIO_OUTPUT -o lo -p tcp -m tcp ! --dport 53 -m owner ! --gid-owner 999 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 999 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_OUTPUT_DNS
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_OUTPUT_DNS -d 114.114.114.114/32 -p tcp -m tcp --dport 53 -j REDIRECT --to-ports 15053
-A ISTIO_OUTPUT_DNS -d 114.114.114.114/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
COMMIT
"""  # noqa: E501
STATS = (
    "cluster_manager.cds.update_success: 3\nlistener_manager.lds.update_success: 4\n"
    "cluster_manager.cds.update_rejected: 0\nlistener_manager.lds.update_rejected: 0\n"
)
WANTED = Wanted(
    sidecar=Settings(
        VIP, "10.233.0.0/16", address="192.168.0.82", layout=layout.ONE_AGENT, services=[{"name": "web", "port": 9080}]
    ),
    dns_mode="capture",
    resolver=None,
    control_plane=ISTIOD_NAME,
    cluster_domain="cluster.local",
    host="web1",
    vm_to_pods=True,
    server=SERVER,
)
GOOD = Seen(
    sidecar=sidecar_look.Seen(
        version="1.31.0",
        account=True,
        address="192.168.0.82",
        paths={layout.LOGROTATE: paths.text_file(sidecar_plan.LOGROTATE_TEXT)},
        units={layout.SIDECAR_UNIT: RUNNING},
        envoy=sidecar_look.LIVE,
        rotates=True,
    ),
    lookups={ISTIOD_NAME: [VIP], KUBERNETES: ["10.233.0.1"]},
    uid="999",
    nat={"iptables-legacy": NAT, "iptables-nft": ""},
    stats=STATS,
    answer=Answer(200, "hello", [GATEWAY]),
)


def judge(seen: Seen = GOOD, **wanted: Any) -> dict[str, str]:
    """By check what is wrong."""
    found = vm_istiod.judge(dataclasses.replace(WANTED, **wanted), seen)
    return {name: "; ".join(finding.problems) for name, finding in found.items() if finding.problems}


def seen(**changes: Any) -> Seen:
    return dataclasses.replace(GOOD, **changes)


def sidecar(**changes: Any) -> Seen:
    return seen(sidecar=dataclasses.replace(GOOD.sidecar, **changes))


def test_all_is_well_and_every_row_has_a_check() -> None:
    found = vm_istiod.judge(WANTED, GOOD)
    assert judge() == {}
    assert {*found, "bootstrap", "identity"} == {row.check for row in ISTIOD.rows if row.scope == VM}
    assert found["proxy"].good == "ready; 3 updates of clusters, 4 updates of listeners, 0 rejected"
    assert found["capture"].good == "iptables-legacy: inbound 9080, not 22; outbound, DNS queries"
    assert found["vm_to_pods"].good == f"{SERVER} answers 200 through {GATEWAY}"


def test_names() -> None:
    other = seen(lookups={ISTIOD_NAME: ["10.233.0.9"], KUBERNETES: []})
    assert judge(other) == {
        "resolver": f"{ISTIOD_NAME} answers 10.233.0.9, should be {VIP}; {KUBERNETES} answers nothing"
    }
    assert judge(seen(lookups={KUBERNETES: ["10.233.0.1"]}))["resolver"] == (
        f"{ISTIOD_NAME} answers nothing, should be {VIP}"
    )
    assert "10.9.9.9 does not answer" in judge(seen(ordinary="10.9.9.9 does not answer"))["resolver"]
    assert "dnsmasq resolves for this host still" in judge(seen(has_dnsmasq=True))["resolver"]


def test_with_a_line_in_the_hosts_file_only_no_other_name_is_asked_for() -> None:
    without_dns = NAT.replace("--to-ports 15053", "--to-ports 1")
    only = seen(lookups={ISTIOD_NAME: [VIP]}, nat={"iptables-nft": without_dns}, answer=None)
    assert judge(only, dns_mode="hosts") == {}
    found = vm_istiod.judge(dataclasses.replace(WANTED, dns_mode="hosts"), only)
    assert "'hosts' the VM resolves no Service" in found["vm_to_pods"].unchecked


def test_with_dnsmasq_its_plan_must_be_empty(wanted: OtherWanted, healthy: OtherSeen) -> None:
    nat = {"iptables-legacy": NAT.replace("--to-ports 15053", "--to-ports 1")}
    good = seen(nat=nat, resolver=healthy.resolver, has_dnsmasq=True)
    told = {"dns_mode": "dnsmasq", "resolver": wanted.resolver}
    assert judge(good, **told) == {}
    resolv_conf = {**healthy.resolver.paths, "/etc/resolv.conf": paths.text_file("nameserver 192.0.2.53\n")}
    broken = dataclasses.replace(healthy.resolver, paths=resolv_conf)
    assert (
        "/etc/resolv.conf lacks nameserver 127.0.0.1"
        in judge(dataclasses.replace(good, resolver=broken), **told)["resolver"]
    )


@pytest.mark.parametrize(
    ("changes", "check", "said"),
    [
        ({"version": ""}, "package", "package istio-sidecar is not installed"),
        ({"account": False}, "package", "there is no account istio-proxy"),
        (
            {"foreign": {"/var/lib/istio/x": paths.directory()}},
            "package",
            "/var/lib/istio/x belongs to root, should be",
        ),
        ({"paths": {}}, "package", "/etc/logrotate.d/mesh-expansion-istio is missing, should be a file"),
        ({"units": {layout.SIDECAR_UNIT: UnitState(state="failed")}}, "package", "istio.service is failed"),
        ({"newer": ("/x",)}, "proxy", "/x is newer than the sidecar's start"),
        ({"envoy": "not ready (503: x)"}, "proxy", "the sidecar is not ready (503: x)"),
    ],
)
def test_what_the_sidecar_lacks(changes: dict[str, Any], check: str, said: str) -> None:
    assert said in judge(sidecar(**changes))[check]


@pytest.mark.parametrize(
    ("stats", "said"),
    [
        ("", "admin endpoint does not answer"),
        (STATS.replace("lds.update_success: 4", "lds.update_success: 0"), "Envoy has got no listeners from istiod"),
        (
            STATS.replace("cds.update_rejected: 0", "cds.update_rejected: 2"),
            "rejected a configuration (cluster_manager.cds: 2)",
        ),
    ],
)
def test_what_envoy_has_accepted(stats: str, said: str) -> None:
    assert said in judge(seen(stats=stats))["proxy"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("-m owner --uid-owner 999 -j RETURN", "-j RETURN", "lacks RETURN for the proxy's user 999"),
        ("-A ISTIO_OUTPUT -j ISTIO_REDIRECT\n", "", "lacks ISTIO_REDIRECT of all else"),
        ("--to-ports 15001", "--to-ports 1", "lacks REDIRECT to 15001"),
        ("--to-ports 15006", "--to-ports 1", "lacks REDIRECT to 15006"),
        ("--to-ports 15053", "--to-ports 1", "lacks REDIRECT of DNS queries"),
        ("-A PREROUTING -p tcp -j ISTIO_INBOUND\n", "", "lacks a jump to ISTIO_INBOUND"),
        ("-A OUTPUT -j ISTIO_OUTPUT\n", "", "lacks a jump to ISTIO_OUTPUT"),
        ("--dport 9080", "--dport 9081", "port 9080 is not captured"),
        ("-m tcp --dport 9080 -j", "-m tcp -j", "port 22 is captured, and must not be"),
    ],
)
def test_rules_that_are_missing_or_too_many(before: str, after: str, said: str) -> None:
    assert before in NAT
    assert said in judge(seen(nat={"iptables-legacy": NAT.replace(before, after)}))["capture"]


def test_an_exclusion_comes_before_what_captures_everything() -> None:
    text = NAT.replace(
        "-A ISTIO_INBOUND -p tcp -m tcp --dport 9080 -j ISTIO_IN_REDIRECT",
        "-A ISTIO_INBOUND -p tcp -m tcp --dport 22 -j RETURN\n-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT",
    )
    assert judge(seen(nat={"iptables-nft": text})) == {}
    assert (vm_istiod.is_captured(text, 22), vm_istiod.is_captured(text, 80)) == (False, True)


def test_chains_belong_into_one_packet_filter() -> None:
    both = judge(seen(nat={"iptables-legacy": NAT, "iptables-nft": NAT}))["capture"]
    assert "there are chains in iptables-legacy and iptables-nft" in both
    neither = judge(seen(nat={"iptables-legacy": "*nat\n", "iptables-nft": ""}))["capture"]
    assert "no chains of the sidecar in iptables-legacy and iptables-nft" in neither


def test_queries_that_are_captured_though_nobody_wants_it() -> None:
    only = seen(lookups={ISTIOD_NAME: [VIP]})
    assert "DNS queries are captured, and must not be" in judge(only, dns_mode="hosts")["capture"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(503, "no healthy upstream", [GATEWAY]), f"{SERVER} answers 503 no healthy upstream to web1"),
        (Answer(0, "timed out", [GATEWAY]), f"{SERVER} answers nothing (timed out) to web1"),
        (Answer(200, "", ["10.244.1.2:8080"]), f"to 10.244.1.2:8080 and not to {GATEWAY}"),
    ],
)
def test_why_a_request_from_the_vm_failed(answer: Answer, said: str) -> None:
    assert said in judge(seen(answer=answer))["vm_to_pods"]


def test_a_request_that_nobody_wants_is_not_checked() -> None:
    def unchecked(**wanted: Any) -> str:
        return vm_istiod.judge(dataclasses.replace(WANTED, **wanted), seen(answer=None))["vm_to_pods"].unchecked

    assert "mesh_vm_to_pods is off" in unchecked(vm_to_pods=False)
    assert "mesh_verify_server" in unchecked(server="")
