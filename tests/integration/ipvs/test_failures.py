# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, on the real kernel."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.ipvs import director
from tests.integration.ipvs.director import Worker


def services(count: int, servers: int = 9) -> list[dict[str, Any]]:
    listed = [{"real_server": f"10.1.0.{number}"} for number in range(1, servers + 1)]
    return [
        {"tcp_service": f"10.0.0.1:{port}", "scheduler": "rr", "real_servers": listed} for port in range(1, count + 1)
    ]


def test_a_missing_scheduler(empty: Worker) -> None:
    wanted = services(3, 2)
    wanted[1]["scheduler"] = "foo"
    failed = empty.call("converge", services=wanted)
    assert failed["error"].startswith(
        "-A -t 10.0.0.1:2 -s foo: the kernel does not find the scheduler foo (module ip_vs_foo)"
    )
    assert (len(failed["applied"]), len(failed["not_applied"])) == (6, 2)
    assert "10.0.0.1:2 " not in empty.ipvsadm("-S", "-n")
    wanted[1]["scheduler"] = "rr"
    assert len(empty.call("converge", services=wanted)["operations"]) == 3


def test_a_scheduler_that_is_missing_for_a_change_changes_nothing(empty: Worker) -> None:
    empty.call("converge", services=services(1))
    before = empty.call("read")
    wanted = services(1)
    wanted[0]["scheduler"] = "foo"
    assert "scheduler foo" in empty.call("converge", services=wanted)["error"]
    assert empty.call("read") == before


def test_without_permission(folder: str) -> None:
    """An unprivileged user namespace: root in it is nobody to IPVS."""
    command = ["unshare", "--user", "--map-root-user", "--net", "python3", "-m", "mesh_ipvs._ipvs.loader", "--dump"]
    done = director.run(["env", "-C", folder, *command], check=False)
    assert done.returncode == 3
    assert b"become: true" in done.stderr


def test_a_server_that_the_kernel_finds_invalid(empty: Worker) -> None:
    """The broadcast address of a directly connected network: only the kernel can know."""
    empty.call("shell", arguments=["ip", "addr", "add", "10.9.9.1/24", "dev", "lo"])
    wanted = [{"tcp_service": "10.0.0.1:1", "real_servers": [{"real_server": "10.9.9.255"}]}]
    assert "the kernel finds the real server invalid" in empty.call("converge", services=wanted)["error"]


@pytest.mark.parametrize("after", [0, 0.001, 0.003, 0.01, 0.03, 0.1])
def test_a_run_that_is_killed_is_completed_by_the_next(empty: Worker, after: float) -> None:
    wanted = services(500)
    killed = empty.call("killed", services=wanted, after=after)
    assert 0 < killed["lines"] <= 5000
    done = empty.call("converge", services=wanted)
    assert killed["lines"] + len(done["operations"]) == 5000
    assert len(empty.call("read")) == 5000
    assert empty.call("converge", services=wanted)["operations"] == []


def test_at_least_one_kill_comes_in_the_middle(empty: Worker) -> None:
    """So that the test above is about something."""
    for _attempt in range(20):
        empty.ipvsadm("-C")
        killed = empty.call("killed", services=services(500), after=0)
        if killed["status"] == -9 and killed["lines"] < 5000:
            return
    pytest.fail("every run was over before it was killed")


def test_another_writer_on_the_same_service(empty: Worker) -> None:
    wanted = [
        {
            "tcp_service": "10.0.0.1:80",
            "scheduler": "wrr",
            "real_servers": [{"real_server": "10.1.0.9", "forwarding": "masquerading", "weight": 5}],
        }
    ]
    empty.call("vandalise", service="10.0.0.1:80", server="10.1.0.9:80")
    outcomes = [empty.call("converge", services=wanted) for _time in range(300)]
    assert empty.call("calm") > 2
    errors = {outcome["error"].split(" all the time")[0] for outcome in outcomes if "error" in outcome}
    assert errors <= {"another writer changes the same entries"}
    assert sum("error" not in outcome for outcome in outcomes) > 150
    empty.call("converge", services=wanted)
    assert empty.ipvsadm("-S", "-n") == "-A -t 10.0.0.1:80 -s wrr\n-a -t 10.0.0.1:80 -r 10.1.0.9:80 -m -w 5\n"


def test_two_hundred_errors_at_once_are_all_told(empty: Worker) -> None:
    """As many as a chunk can have: none is lost."""
    empty.call("converge", services=services(500))
    told = empty.call("add_blindly", services=services(500))
    assert told == {"applied": 0, "failed": [17] * 5000, "unknown": 0, "not_applied": 0}


def test_lost_replies_are_noticed(empty: Worker) -> None:
    """A receive buffer too small for the errors of a chunk:
    what became of the chunk is unknown, and nothing after it is tried."""
    empty.call("converge", services=services(100))
    told = empty.call("add_blindly", services=services(100), receive_buffer=1)
    assert told == {"applied": 0, "failed": [], "unknown": 200, "not_applied": 800}
    assert len(empty.call("read")) == 1000


def test_a_small_receive_buffer_is_enough(empty: Worker) -> None:
    """Reads and changes that succeed need next to none."""
    assert len(empty.call("converge", services=services(100), receive_buffer=1)["operations"]) == 1000
    assert empty.call("converge", services=services(100), receive_buffer=1)["operations"] == []
    assert len(empty.call("converge", services=services(50), receive_buffer=1)["operations"]) == 50


def test_foreign_values_are_kept_when_something_else_changes(empty: Worker) -> None:
    """A change of weight says everything again, thresholds and tunnel included."""
    empty.ipvsadm("-A", "-t", "10.0.0.1:80", "-s", "sh", "-b", "sh-port", "-p", "77", "-M", "255.255.0.0")
    empty.ipvsadm(
        "-a",
        "-t",
        "10.0.0.1:80",
        "-r",
        "10.1.0.1:80",
        "-i",
        "--tun-type",
        "gue",
        "--tun-port",
        "6080",
        "--tun-remcsum",
        "-x",
        "9",
        "-y",
        "3",
    )
    drained = {"real_server": "10.1.0.1", "state": "drained"}
    same = {
        "tcp_service": "10.0.0.1:80",
        "scheduler": "sh",
        "sched_flags": ["sh-port"],
        "persistent": 77,
        "netmask": "16",
    }
    empty.call("converge", services=[{**same, "real_servers": [drained]}], purge="none")
    assert empty.call("read") == [
        "-A -t 10.0.0.1:80 -s sh -p 77 -M 255.255.0.0 -b sh-port",
        "-a -t 10.0.0.1:80 -r 10.1.0.1:80 -i -w 0 --tun-type gue --tun-port 6080 --tun-remcsum -x 9 -y 3",
    ]
