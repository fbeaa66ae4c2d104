# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A director that asks nodes end to end: made, changed, unmade; the address that it asks from; what the files say."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host.addresses import Place
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import ask
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import asking, layout

from tests.unit.plugins.fake_director import VIP
from tests.unit.plugins.fake_host import make_host
from tests.unit.plugins.fake_pair import Pair
from tests.unit.plugins.mesh_pki import Authority, pem
from tests.unit.plugins.module_utils._mesh.director.test_pair import NODE, weigh
from tests.unit.plugins.module_utils._mesh.director.test_work import index

OWN = "192.168.0.65"
END_TO_END: dict[str, Any] = {"health": "keepalived", "health_check": "end_to_end", "health_address": OWN}
PROBE, HEALTH = "etc/systemd/system/mesh-probe.service", "etc/systemd/system/mesh-health.service"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(make_host(tmp_path, monkeypatch), monkeypatch)


def namespace(pair: Pair) -> None:
    """What starting the unit would have made."""
    pair.write(str(Path(layout.NAMESPACE).relative_to(pair.host.root)), "")


def test_what_is_asked_from_is_there_before_whoever_asks(pair: Pair) -> None:
    steps = pair(**END_TO_END)["operations"]
    wanted = [f"write {layout.PROBE_UNIT_FILE}", "start mesh-probe.service", "start mesh-health.service"]
    assert sorted(index(steps, text) for text in wanted) == [index(steps, text) for text in wanted]
    assert pair(**END_TO_END)["operations"] == []
    namespace(pair)
    assert pair(**END_TO_END)["operations"] == []


def test_a_namespace_with_a_way_through_each_node(pair: Pair) -> None:
    pair(**END_TO_END)
    probe = pair.read(PROBE)
    assert "link add link eth0 name mesh-probe netns mesh-probe type macvlan" in probe
    assert f"address add {OWN}/24 dev mesh-probe\n" in probe
    nodes = ("192.168.0.71", "192.168.0.72", "192.168.0.73")
    for number, node in enumerate(nodes):
        first, last = ask.ports(number)
        assert f"rule add sport {first}-{last} lookup {1000 + number}\n" in probe
        assert f"route add {VIP} via {node} dev mesh-probe table {1000 + number}\n" in probe
    health = pair.read(HEALTH)
    assert f"--source {OWN} --dns-name kubernetes.default.svc.cluster.local --through {' '.join(nodes)}" in health
    for line in (f"NetworkNamespacePath={layout.NAMESPACE}", "PartOf=mesh-probe.service", "DynamicUser=yes"):
        assert line in health


def test_a_drained_node_keeps_its_way(pair: Pair) -> None:
    pair(**END_TO_END)
    probe = pair.read(PROBE)
    pair(state="drained", node=NODE, **END_TO_END)
    assert pair.look(**END_TO_END)["operations"] == []
    assert pair.read(PROBE) == probe


def test_other_nodes_are_other_ways(pair: Pair) -> None:
    pair(**END_TO_END)
    other = [{"tcp_service": f"{VIP}:80", "scheduler": "wrr", "real_servers": [{"real_server": "192.168.0.74:80"}]}]
    steps = pair(**END_TO_END, services=other)["operations"]
    assert {"restart mesh-probe.service", "restart mesh-health.service"} <= set(steps)
    assert "192.168.0.74" in pair.read(PROBE)


def test_back_to_asking_for_kube_proxy(pair: Pair) -> None:
    pair(health="keepalived")
    before = pair.files(), pair.units()
    pair(**END_TO_END)
    steps = pair(health="keepalived")["operations"]
    wanted = ["restart mesh-health.service", "stop mesh-probe.service", f"remove {layout.PROBE_UNIT_FILE}"]
    assert sorted(index(steps, text) for text in wanted) == [index(steps, text) for text in wanted]
    assert (pair.files(), pair.units()) == before


@pytest.mark.parametrize("leave", [{"state": "absent", "services": []}, {"ha": "none"}, {}])
def test_it_goes_with_the_checks(pair: Pair, leave: dict[str, Any]) -> None:
    roots = pem(Authority().root).decode()
    pair(**leave)
    before = pair.files(), pair.units()
    pair(**END_TO_END, health_tls={"15011": "istiod.istio-system.svc"}, health_roots=roots)
    steps = pair(**leave)["operations"]
    assert index(steps, "stop mesh-health.service") < index(steps, "stop mesh-probe.service")
    assert (pair.files(), pair.units()) == before


def test_roots(pair: Pair) -> None:
    tls = {**END_TO_END, "health_tls": {"15011": "istiod.istio-system.svc", "1": "nobody.svc"}}
    with pytest.raises(HostError, match="could not be read from the Kubernetes API"):
        pair(**tls)
    with pytest.raises(HostError, match="no certificates in PEM"):
        pair(**tls, health_roots="-----BEGIN CERTIFICATE-----\n")
    roots = pem(Authority().root).decode()
    pair(**tls, health_roots=roots)
    assert pair.read("etc/mesh-expansion/health-roots.pem") == roots
    assert f"--roots {layout.HEALTH_ROOTS} --tls 15011=istiod.istio-system.svc --through" in pair.read(HEALTH)
    # The API cannot be asked now.
    assert pair(**tls)["changed"] is False
    both = roots + pem(Authority("other").root).decode()
    assert pair(**tls, health_roots=both)["operations"] == [
        f"write {layout.HEALTH_ROOTS}",
        "restart mesh-health.service",
    ]


def test_what_a_check_took_out_is_asked_as_the_check_asks(pair: Pair) -> None:
    pair(**END_TO_END)
    namespace(pair)
    weigh(pair, 0)
    pair.down = [NODE]
    found = pair.look(**END_TO_END)
    assert found["operations"] == []
    assert found["keepalived"]["failing_services"] == {NODE: [f"tcp {VIP}:15011"]}
    assert (found["keepalived"]["failing"], found["keepalived"]["check"]) == ([NODE], "end_to_end")
    assert pair.asked == [(ask.Question(ask.TCP, VIP, 15011, "", 2), layout.NAMESPACE)]
    pair.down = []
    assert pair(**END_TO_END)["operations"] == [f"-e -t {VIP}:15011 -r {NODE}:15011 -g -w 2"]


def test_nobody_is_put_back_who_cannot_be_asked(pair: Pair) -> None:
    pair(health="keepalived")
    weigh(pair, 0)
    steps = pair(**END_TO_END)["operations"]
    assert not any(NODE in step for step in steps)
    pair.asked.clear()
    # The namespace is not that of today's nodes.
    namespace(pair)
    pair.write(PROBE, "another\n")
    assert not any(NODE in step for step in pair.look(**END_TO_END)["operations"])
    assert pair.asked == []


def test_without_its_namespace_a_director_is_unfit(pair: Pair) -> None:
    pair(**END_TO_END)
    (pair.host.root / "units/mesh-probe.service.active").unlink()
    assert "mesh-probe.service does not run" in pair.look(**END_TO_END)["keepalived"]["unfit"]
    assert pair.look(**END_TO_END)["operations"] == ["start mesh-probe.service"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"health_address": ""}, "director_health_address of lvs1 is not set"),
        ({"health_address": "192.168.9.65"}, "is in no subnet of eth0, where 192.168.0.62 is"),
        ({"health_address": VIP}, "which is the virtual address"),
        ({"health_address": "192.168.0.61"}, "which is the address of lvs1"),
        ({"health_address": "192.168.0.63"}, "which is the address of lvs2"),
        ({"health_address": NODE}, "which is the address of a node"),
    ],
)
def test_an_address_that_cannot_be_asked_from(pair: Pair, changes: dict[str, Any], said: str) -> None:
    (refused,) = pair.look(**{**END_TO_END, **changes})["refusals"]
    assert said in refused
    assert "Set director_health_address of lvs1 to a free address in the subnet of 192.168.0.62" in refused


def test_an_address_that_another_host_has(pair: Pair) -> None:
    pair.others = {OWN: ["52:54:00:12:34:56"]}
    (refused,) = pair.look(**END_TO_END)["refusals"]
    assert "the host with the hardware address 52:54:00:12:34:56 answers for it on eth0" in refused


def test_a_namespace_of_somebody_else(pair: Pair) -> None:
    namespace(pair)
    (refused,) = pair.look(**END_TO_END)["refusals"]
    assert "ip netns delete mesh-probe" in refused


def test_more_nodes_than_there_are_ways(pair: Pair) -> None:
    servers = [{"real_server": f"192.168.1.{number}:80"} for number in range(ask.MOST_NODES + 1)]
    (refused,) = pair.look(**END_TO_END, services=[{"tcp_service": f"{VIP}:80", "real_servers": servers}])["refusals"]
    assert f"{ask.MOST_NODES + 1} real servers; end to end at most {ask.MOST_NODES} can be asked" in refused


@pytest.mark.parametrize("tls", [{"https": "a.svc"}, {"0": "a.svc"}, {"443": "a b"}])
def test_names_of_servers_that_cannot_be_meant(pair: Pair, tls: dict[str, str]) -> None:
    with pytest.raises(HostError, match="health_tls has"):
        pair.look(**END_TO_END, health_tls=tls)


def test_the_prefix_is_that_of_the_subnet() -> None:
    places = [
        Place("eth0", ipaddress.ip_address("192.168.0.61"), 16),
        Place("eth0", ipaddress.ip_address("192.168.0.60"), 24),
        Place("eth0", ipaddress.ip_address(OWN), 32),
        Place("eth1", ipaddress.ip_address("192.168.0.60"), 28),
    ]
    assert asking.prefix(places, "eth0", ipaddress.ip_address(OWN)) == 24
