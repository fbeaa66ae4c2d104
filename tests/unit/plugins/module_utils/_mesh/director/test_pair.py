# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One of two directors: made, made again, drained, alone again, taken back; whose turn it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import arp
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.reconcile import reconcile
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import layout

from tests.unit.plugins.fake_director import VIP
from tests.unit.plugins.fake_host import make_host
from tests.unit.plugins.fake_pair import PEER_MAC, Pair
from tests.unit.plugins.module_utils._mesh.director.test_work import TABLE, index

NODE = "192.168.0.73"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    return Pair(make_host(tmp_path, monkeypatch), monkeypatch)


def weigh(pair: Pair, weight: int) -> None:
    """Somebody gives the node a weight."""
    server = {"real_server": f"{NODE}:15011", "weight": weight}
    with pair.connect() as client:
        service = {"tcp_service": f"{VIP}:15011", "scheduler": "wrr", "real_servers": [server]}
        reconcile(client, options.parse_services([service]), "none")


def test_four_steps(pair: Pair) -> None:
    before = pair.files()
    planned = pair.look()
    assert planned["refusals"] == []
    assert pair(check=True)["operations"] == planned["operations"]
    assert pair.files() == before
    assert pair()["operations"] == planned["operations"]
    assert pair.table() == TABLE
    assert pair()["operations"] == []
    assert pair.look()["places"] == ["eth0/32"]


def test_the_order(pair: Pair) -> None:
    steps = pair()["operations"]
    wanted = [
        "remember in ",
        "install the package keepalived",
        TABLE[0],
        f"write {layout.UNIT_FILE}",
        "restart mesh-director.service",
        f"write {layout.STANDBY}",
        f"write {layout.KEEPALIVED_CONF}",
        "start keepalived.service",
        f"wait until {VIP} is held by one of the directors",
    ]
    places = [index(steps, text) for text in wanted]
    assert places == sorted(places)
    assert not any(step.startswith("hold ") for step in steps)


def test_the_unit_does_not_hold_the_address(pair: Pair) -> None:
    pair()
    assert "vip.py hold" not in pair.read("etc/systemd/system/mesh-director.service")
    assert "--restore" in pair.read("etc/systemd/system/mesh-director.service")


def test_another_director_may_hold_the_address(pair: Pair) -> None:
    pair.another_holds()
    assert pair()["changed"]
    assert (pair.look()["places"], pair.look()["turn"], pair()["changed"]) == ([], "middle", False)
    assert pair.look()["keepalived"]["answered_by"] == [PEER_MAC]


def test_what_makes_one_unfit_for_the_address(pair: Pair) -> None:
    assert "keepalived does not run" in pair.look()["keepalived"]["unfit"]
    pair.another_holds()
    pair()
    pair.kernel.daemons = [2]
    assert pair.look()["keepalived"]["unfit"] == []
    weigh(pair, 0)
    pair.write("var/lib/mesh-expansion/standby", "1\n")
    pair.kernel.daemons = []
    assert pair.look()["keepalived"]["unfit"] == [
        "connections are not synchronised",
        "it is kept out",
        "its table is not what it should be",
    ]
    pair.write("etc/keepalived/keepalived.conf", "vrrp_instance OTHER {\n}\n")
    assert pair.look()["keepalived"]["unfit"][0] == "keepalived has a configuration that is not the role's"


def test_a_stranger_may_not(pair: Pair) -> None:
    pair.another_holds()
    pair.others[VIP] = [PEER_MAC, "52:54:00:12:34:56"]
    with pytest.raises(HostError, match="The host with the hardware address 52:54:00:12:34:56 answers"):
        pair()


def test_another_director_may_be_late_with_its_own_address(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.another_holds()

    def late(_interface: str, address: str, count: int, *_more: float) -> list[str]:
        return [] if address != VIP and count == 1 else [PEER_MAC]

    monkeypatch.setattr(arp, "probe", late)
    assert pair.look()["refusals"] == []


def test_turns(pair: Pair) -> None:
    assert pair.look()["turn"] == "middle"
    pair(ha="none")
    assert pair.look()["turn"] == "first"
    pair()
    assert pair.look()["turn"] == "last"


def test_nobody_takes_the_address(pair: Pair) -> None:
    pair.holds(False)
    files = pair.files()
    with pytest.raises(Broken, match=r"wait until .* nobody does after .*protocol 112") as caught:
        pair()
    assert caught.value.restored
    assert {path for path in pair.files() if path not in files} == set()


def test_a_configuration_that_keepalived_rejects(pair: Pair) -> None:
    before = pair.files(), pair.units()
    pair.write("keepalived-rejects", "")
    with pytest.raises(Broken, match="unknown keyword"):
        pair()
    assert (pair.files(), pair.units()) == before
    assert pair.table() == []


def test_removal_leaves_the_host_as_it_was(pair: Pair) -> None:
    before = pair.files(), pair.units()
    pair(health="keepalived")
    (pair.host.root / "run").mkdir(exist_ok=True)
    (pair.host.root / "run/mesh-expansion").symlink_to("private/mesh-expansion")
    done = pair(state="absent", services=[])
    assert not (pair.host.root / "run/mesh-expansion").is_symlink()
    assert index(done["operations"], "stop keepalived.service") < index(done["operations"], f"-D -t {VIP}:15011")
    assert "purge the packages keepalived, libnl-3" in done["operations"]
    assert (pair.files(), pair.units()) == before
    assert pair.table() == []
    assert pair.kernel.daemons == []


def test_checks_without_a_pair_leave_no_synchronisation(pair: Pair) -> None:
    pair(health="keepalived")
    pair.kernel.daemons = [1]
    pair(ha="none", health="keepalived")
    assert pair.kernel.daemons == []
    pair.kernel.daemons = [1]
    assert "stop the kernel's synchronisation of connections" in pair(ha="none", health="keepalived")["operations"]
    assert pair.kernel.daemons == []


def test_whoever_asks_the_nodes_runs_before_keepalived_and_goes_with_the_checks(pair: Pair) -> None:
    alone = pair(health="keepalived")["operations"]
    assert index(alone, "start mesh-health.service") < index(alone, f"write {layout.KEEPALIVED_CONF}")
    assert "--quorum 1" in pair.read("etc/systemd/system/mesh-health.service")
    assert "restart mesh-health.service" in pair(health="keepalived", health_quorum=2)["operations"]
    (pair.host.root / "units/mesh-health.service.active").unlink()
    assert pair.look(health="keepalived", health_quorum=2)["operations"] == ["start mesh-health.service"]
    assert "mesh-health.service does not run" in pair.look(health="keepalived")["keepalived"]["unfit"]
    pair(health="keepalived")
    steps = pair()["operations"]
    # A reload would take the services out of the table.
    assert "reload keepalived.service" not in steps
    wanted = ["end keepalived, and leave address and table in place", "start keepalived.service"]
    wanted += ["stop mesh-health.service", "clean mesh-health.service"]
    wanted += [f"remove {layout.HEALTH}"]
    assert sorted(index(steps, text) for text in wanted) == [index(steps, text) for text in wanted]
    assert not (pair.host.root / "etc/systemd/system/mesh-health.service").exists()
    assert pair()["changed"] is False


def test_from_alone_to_a_pair_and_back(pair: Pair) -> None:
    pair(ha="none")
    alone = pair.files()
    assert "start keepalived.service" in pair()["operations"]
    steps = pair(ha="none")["operations"]
    assert "end keepalived, and leave address and table in place" in steps
    assert pair.kernel.daemons == []
    # Nobody has to announce it anew.
    assert not any(step.startswith("hold ") for step in steps)
    assert pair.files() == alone
    assert pair(ha="none")["changed"] is False


def test_from_a_pair_to_one_that_checks_and_back(pair: Pair) -> None:
    pair(health="keepalived")
    assert pair.look(health="keepalived")["turn"] == "last"
    steps = pair(ha="none", health="keepalived")["operations"]
    # A reload would take the address off.
    assert "reload keepalived.service" not in steps
    wanted = [f"write {layout.KEEPALIVED_CONF}", "end keepalived, and leave address", "start keepalived.service"]
    assert sorted(index(steps, text) for text in wanted) == [index(steps, text) for text in wanted]
    assert pair(ha="none", health="keepalived")["changed"] is False
    # keepalived runs, but on another director it would hear nothing of this one.
    assert pair.look(health="keepalived")["turn"] == "first"


def test_keepalived_of_somebody_else(pair: Pair) -> None:
    pair.installs()
    before = pair.files(), pair.units()
    assert "is not this role's" in pair.look()["refusals"][0]
    steps = pair(keepalived="takeover")["operations"]
    assert not any("install" in step for step in steps)
    assert "reload keepalived.service" in steps
    pair.holds(False)
    pair(state="absent", services=[])
    assert (pair.files(), pair.units()) == before


def test_what_a_check_took_out_stays_out(pair: Pair) -> None:
    pair(health="keepalived")
    weigh(pair, 0)
    pair.down = [NODE]
    assert pair(health="keepalived")["operations"] == []
    assert pair.look(health="keepalived")["keepalived"]["failing"] == [NODE]
    pair.down = []
    assert pair(health="keepalived")["operations"] == [f"-e -t {VIP}:15011 -r {NODE}:15011 -g -w 2"]


def test_drift_without_checks_is_always_ours(pair: Pair) -> None:
    pair()
    weigh(pair, 0)
    pair.down = [NODE]
    assert pair()["operations"] == [f"-e -t {VIP}:15011 -r {NODE}:15011 -g -w 2"]


def test_a_drained_node_is_drained_in_the_configuration(pair: Pair) -> None:
    pair(health="keepalived")
    before = pair.conf()
    drained = pair(state="drained", node=NODE, health="keepalived")["operations"]
    assert index(drained, f"write {layout.KEEPALIVED_CONF}") < index(drained, "reload keepalived.service")
    assert f"-e -t {VIP}:15011 -r {NODE}:15011 -g -w 0" in drained
    assert "        weight 0" in pair.conf()
    assert pair(health="keepalived")["changed"] is False
    pair(state="undrained", node=NODE, health="keepalived")
    assert pair.conf() == before
    assert pair(health="keepalived")["changed"] is False


def test_out_and_back_as_a_candidate(pair: Pair) -> None:
    pair()
    with pytest.raises(Broken, match="is held by another director: nobody does"):
        pair(state="standby")
    assert pair.read("var/lib/mesh-expansion/standby") == "0\n"
    pair.another_holds()
    pair.write("links", pair.read("links.free"))
    pair(state="standby")
    assert pair.look()["keepalived"]["standby"] is True
    assert pair(state="standby")["changed"] is False
    # A run of the role leaves it out.
    assert pair()["changed"] is False
    pair(state="ready")
    assert pair.look()["keepalived"]["standby"] is False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "lvs9"}, "lvs9 is not among director_directors"),
        ({"host": "lvs2"}, "lvs2 does not have the address 192.168.0.63"),
        ({"directors": [{"name": "lvs1", "address": "192.168.0.61"}]}, "keepalived with one director"),
        (
            {"directors": [{"name": "lvs1", "address": "192.168.0.61"}, {"name": "lvs2", "address": "2001:db8::1"}]},
            "2001:db8::1 is no address of the family",
        ),
        (
            {
                "health": "keepalived",
                "services": [{"fwmark_service": 7, "real_servers": [{"real_server": "192.168.0.72:1"}]}],
            },
            "keepalived cannot do fwmark_service of fwmark 7",
        ),
    ],
)
def test_what_is_refused(pair: Pair, changes: dict[str, object], said: str) -> None:
    assert any(said in line for line in pair.look(**changes)["refusals"])


def test_numbers_out_of_range(pair: Pair) -> None:
    with pytest.raises(HostError, match="router_id is 256; it must be between 0 and 255"):
        pair.look(router_id=256)


def test_the_footprint_knows_keepalived_from_its_first_use(pair: Pair) -> None:
    pair(ha="none")
    place = "var/lib/mesh-expansion/director/footprint.json"
    assert json.loads(pair.read(place))["packages"] == []
    pair()
    known = json.loads(pair.read(place))
    assert known["packages"] == ["ipvsadm", "libc6"]
    assert known["paths"][layout.KEEPALIVED_CONF] == {"kind": "absent"}
