# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' work on a host in a directory: check, run, again; failures; the states; hosts of older releases."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible_collections.mesh.expansion.plugins.module_utils._host import transaction
from ansible_collections.mesh.expansion.plugins.module_utils._host.change import Broken
from ansible_collections.mesh.expansion.plugins.module_utils._host.errors import HostError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs import options
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.errors import ValidationError
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.reconcile import reconcile
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.director import layout

from tests.unit.plugins.fake_director import DNS, PILOT, SYSCTLS, VIP, Director, links

TABLE = [
    f"-A -t {VIP}:15011 -s wrr",
    f"-a -t {VIP}:15011 -r 192.168.0.72:15011 -g -w 1",
    f"-a -t {VIP}:15011 -r 192.168.0.73:15011 -g -w 2",
    f"-A -u {VIP}:53 -s wrr",
    f"-a -u {VIP}:53 -r 192.168.0.71:53 -g -w 1",
]


def load(director: Director, *services: dict[str, Any]) -> None:
    """What somebody else has in the table."""
    with director.connect() as client:
        reconcile(client, options.parse_services(list(services)))


def index(steps: list[str], text: str) -> int:
    (found,) = [number for number, step in enumerate(steps) if text in step]
    return found


def test_four_steps(director: Director) -> None:
    before = director.files()
    planned = director.look()
    assert planned["refusals"] == []
    predicted = director(check=True)
    assert director.files() == before
    assert director.table() == []
    done = director()
    assert planned["operations"] == predicted["operations"] == done["operations"]
    assert (predicted["changed"], done["changed"]) == (True, True)
    assert director.table() == TABLE
    for check in (True, False):
        again = director(check=check)
        assert (again["changed"], again["operations"], again["diff"]) == (False, [], [])
    assert director.look()["operations"] == []
    assert director.look()["places"] == ["eth0/32"]


def test_the_order(director: Director) -> None:
    steps = director()["operations"]
    wanted = [
        "remember in ",
        "load the kernel modules ip_vs, ip_vs_wrr",
        "set net.ipv4.vs.expire_nodest_conn to 1",
        f"write {layout.PACKAGE}/vip.py",
        TABLE[0],
        f"write {layout.TABLE}",
        f"write {layout.UNIT_FILE}",
        "hold 192.168.0.62/32 on eth0",
        "have systemd read its units again",
        "enable mesh-director.service",
        "restart mesh-director.service",
    ]
    places = [index(steps, text) for text in wanted]
    assert places == sorted(places)


def test_the_diff_shows_files_and_table_but_no_program(director: Director) -> None:
    shown = {one["after_header"]: one for one in director(check=True)["diff"]}
    assert shown["IPVS table"]["after"].splitlines() == TABLE
    assert shown[layout.SYSCTLS]["before"] == ""
    assert not any(name.startswith(layout.PACKAGE) for name in shown)


def test_drift_is_repaired_and_nothing_else_is_touched(director: Director) -> None:
    director()
    load(director, {"tcp_service": "192.168.0.61:7777", "scheduler": "rr"})
    os.remove(layout.SYSCTLS)
    (director.host.root / "active").write_text("inactive\n")
    with director.connect() as client:
        reconcile(client, options.parse_services([{**DNS, "scheduler": "rr"}]))
    assert director()["operations"] == [
        f"write {layout.SYSCTLS}",
        f"-E -u {VIP}:53 -s wrr",
        "start mesh-director.service",
    ]
    assert "-A -t 192.168.0.61:7777 -s rr" in director.table()


def test_a_changed_program_is_replaced_and_an_old_file_goes(director: Director) -> None:
    director()
    old, changed = f"{layout.PACKAGE}/_ipvs/old.py", f"{layout.PACKAGE}/vip.py"
    director.write(old.removeprefix(str(director.host.root)), "")
    director.write(changed.removeprefix(str(director.host.root)), "")
    assert director()["operations"] == [f"write {changed}", f"remove {old}", "restart mesh-director.service"]


@pytest.mark.parametrize("obstacle", ["rejected", "hold-fails", "unit-fails"])
def test_a_failure_leaves_the_host_as_it_was(director: Director, obstacle: str) -> None:
    load(director, {**PILOT, "scheduler": "rr"}, {"tcp_service": f"{VIP}:9", "scheduler": "rr"})
    table, files = director.table(), director.files()
    director.write(obstacle, "")
    with pytest.raises(Broken) as caught:
        director()
    result = transaction.failure(caught.value)
    assert (result["changed"], result["restored"]) == (False, True)
    assert result["operations"]
    assert "Everything that this run had changed is put back" in result["msg"]
    assert director.table() == table
    assert director.files() == files
    assert director.read("proc/sys/net/ipv4/vs/expire_nodest_conn") == "0\n"


def test_a_table_that_the_kernel_refuses_goes_back_whole(director: Director) -> None:
    load(director, {**PILOT, "scheduler": "rr"})
    table = director.table()
    director.kernel.schedulers.discard("wlc")
    with pytest.raises(Broken, match="the kernel does not find the scheduler wlc") as caught:
        director(services=[PILOT, {**DNS, "scheduler": "wlc"}])
    assert caught.value.restored
    assert director.table() == table


def test_a_refusal_changes_nothing(director: Director) -> None:
    director.answering = ["52:54:00:12:34:56"]
    before = director.files()
    assert director.look()["operations"] == []
    with pytest.raises(HostError, match="The host with the hardware address 52:54:00:12:34:56 answers"):
        director()
    assert director.files() == before
    assert director.table() == []


def test_a_bad_service_is_named_before_anything_is_looked_at(director: Director) -> None:
    with pytest.raises(ValidationError, match=r"services\[1\]: unknown option udp"):
        director(services=[DNS, {"udp": 1}])
    assert director.host.calls() == []


def test_a_former_address_goes_before_its_services(director: Director) -> None:
    director()
    new = {"udp_service": "192.168.0.63:53", "scheduler": "wrr", "real_servers": DNS["real_servers"]}
    steps = director(vip="192.168.0.63", services=[new])["operations"]
    assert (
        index(steps, f"take {VIP}/32 off eth0")
        < index(steps, "-A -u 192.168.0.63:53")
        < index(steps, f"-D -u {VIP}:53")
    )
    assert not any(VIP in line for line in director.table())


def test_ipvsadm_is_taken_over_and_given_back(director: Director) -> None:
    director.write("etc/default/ipvsadm", "AUTO=true\n# more\n")
    assert "says AUTO" in director.look()["refusals"][0]
    director(ipvsadm_boot="takeover")
    assert director.read("etc/default/ipvsadm") == 'AUTO="false"\n# more\n'
    assert director(ipvsadm_boot="takeover")["changed"] is False
    director(state="absent", services=[])
    assert director.read("etc/default/ipvsadm") == "AUTO=true\n# more\n"


def test_removal_leaves_the_host_as_it_was(director: Director) -> None:
    before = director.files()
    director()
    load(director, {"tcp_service": "192.168.0.61:7777", "scheduler": "rr"})
    predicted = director(check=True, state="absent", services=[], sysctls={})
    done = director(state="absent", services=[], sysctls={})
    assert predicted["operations"] == done["operations"]
    assert director.files() == before
    assert director.table() == ["-A -t 192.168.0.61:7777 -s rr"]
    assert director.read("proc/sys/net/ipv4/vs/expire_nodest_conn") == "0\n"
    assert director(state="absent", services=[])["changed"] is False
    # The address goes before the table: without it the address would answer with resets.
    assert index(done["operations"], f"take {VIP}/32 off") < index(done["operations"], f"-D -t {VIP}:15011")


def test_removal_leaves_directories_that_others_use(director: Director) -> None:
    director()
    director.write("var/lib/mesh-expansion/dnsmasq/footprint.json", "{}")
    director(state="absent", services=[])
    assert os.listdir(layout.STATE) == ["dnsmasq"]
    assert not os.path.exists(layout.SETTINGS)


def test_a_removal_that_fails_puts_everything_back(director: Director) -> None:
    director()
    files, table = director.files(), director.table()
    director.host.program("ip", f'case "$*" in *delete*) exit 2;; *) cat {director.host.root}/links;; esac')
    with pytest.raises(Broken):
        director(state="absent", services=[])
    assert (director.files(), director.table()) == (files, table)


def old_release(director: Director) -> None:
    """What the role of release 1.0 leaves."""
    director()
    os.remove(f"{layout.STATE}/director/footprint.json")
    os.rmdir(f"{layout.STATE}/director")
    director.write(
        "var/lib/mesh-expansion/director-before.json",
        json.dumps({"ipvsadm": False, "sysctls": dict.fromkeys(SYSCTLS, "0")}),
    )


def test_a_host_of_an_older_release_is_taken_over(director: Director) -> None:
    before = director.files()
    old_release(director)
    assert director()["operations"] == [
        f"remember in {layout.STATE}/director/footprint.json what was there before",
        f"remove {layout.OLD_FOOTPRINT}",
    ]
    director(state="absent", services=[])
    assert director.files() == before


def test_a_host_of_an_older_release_is_left(director: Director) -> None:
    before = director.files()
    old_release(director)
    director(state="absent", services=[])
    assert director.files() == before
    assert director.read("proc/sys/net/ipv4/vs/expire_nodest_conn") == "0\n"


def test_a_broken_memory_is_not_taken_for_an_empty_one(director: Director) -> None:
    director.write("var/lib/mesh-expansion/drained.json", "{")
    with pytest.raises(HostError, match="drained.json is not JSON"):
        director.look()


class TestDrain:
    NODE = "192.168.0.73"

    def drain(self, director: Director, state: str, **changes: Any) -> dict[str, Any]:
        return director(state=state, node=self.NODE, services=[], sysctls={}, **changes)

    def weights(self, director: Director) -> set[str]:
        return {line.rpartition(" ")[2] for line in director.table() if self.NODE in line}

    def test_out_and_back(self, director: Director) -> None:
        director()
        files, table = director.files(), director.table()
        look = director.look(state="drained", node=self.NODE, services=[])
        assert (look["node"]["drained"], look["node"]["last_of"]) == (False, [])
        (service,) = look["node"]["services"]
        assert [(one["real_server"], one["state"]) for one in service["real_servers"]] == [
            (f"{self.NODE}:15011", "drained")
        ]
        done = self.drain(director, "drained")
        assert done["operations"] == [
            f"write {layout.DRAINED}",
            f"write {layout.TABLE}",
            f"-e -t {VIP}:15011 -r {self.NODE}:15011 -g -w 0",
        ]
        assert self.weights(director) == {"0"}
        assert (
            json.loads(director.read("etc/mesh-expansion/ipvs.json"))["services"][0]["real_servers"][1]["weight"] == 0
        )
        assert self.drain(director, "drained")["changed"] is False
        # Another run of the role leaves it out.
        assert director()["changed"] is False
        assert director.look()["drained"] == [self.NODE]
        self.drain(director, "undrained")
        assert director.table() == table
        assert director.read("var/lib/mesh-expansion/drained.json") == "{}\n"
        os.remove(layout.DRAINED)
        assert director.files() == files
        assert self.drain(director, "undrained")["changed"] is False

    def test_the_last_node_of_a_service(self, director: Director) -> None:
        director()
        look = director.look(state="drained", node="192.168.0.71", services=[])
        assert look["node"]["last_of"] == [f"udp {VIP}:53"]

    def test_a_failure_puts_the_files_back(self, director: Director) -> None:
        director()
        before = director.files(), director.table()
        director.write("rejected", "")
        with pytest.raises(Broken):
            self.drain(director, "drained")
        assert (director.files(), director.table()) == before


def test_an_interface_of_its_own(director: Director) -> None:
    director.write("links", links("eth0 192.168.0.61/24", "eth1 192.168.0.60/24"))
    assert "in the subnets of eth0, eth1" in director.look()["refusals"][0]
    assert director.look(interface="eth1")["interface"] == "eth1"
