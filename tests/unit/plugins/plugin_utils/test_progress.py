# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a task that takes long: by a clock of the test's own, and in a real run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.mesh.expansion.plugins.plugin_utils._progress import Progress, names

ROOT = Path(__file__).resolve().parents[4]
PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Say something
      ansible.builtin.debug:
        msg: here
    - name: Say it once
      ansible.builtin.debug:
        msg: here
      run_once: true
"""


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def run(clock: Clock, hosts: int = 3, after: float = 10) -> Progress:
    progress = Progress(after, 2, clock)
    progress.play(hosts)
    return progress


def test_a_long_task_is_spoken_of_while_hosts_are_at_work() -> None:
    clock = Clock()
    progress = run(clock)
    progress.task("Look", once=False)
    for host in ("a", "b", "c"):
        progress.start(host)
    clock.time += 4
    assert progress.end("b") is None
    clock.time += 8
    assert progress.end("a") == "Look: 2 of 3 hosts done after 12 s; at work: c"
    clock.time += 8
    assert progress.end("c") is None, "the last one needs no line: the next task begins"
    assert progress.summary() == ["  20 s  Look (3 hosts, slowest c with 20 s)"]


def test_between_two_lines_there_is_the_same_time_again() -> None:
    clock = Clock()
    progress = run(clock, hosts=9)
    progress.task("Look", once=False)
    said = []
    for number in range(8):
        progress.start(f"vm{number}")
        clock.time += 6
        said.append(progress.end(f"vm{number}"))
    assert [line.split(";")[0] for line in said if line] == [
        "Look: 2 of 9 hosts done after 12 s",
        "Look: 4 of 9 hosts done after 24 s",
        "Look: 6 of 9 hosts done after 36 s",
        "Look: 8 of 9 hosts done after 48 s",
    ]


def test_a_quick_run_says_nothing() -> None:
    clock = Clock()
    progress = run(clock)
    progress.task("Look", once=False)
    for host in ("a", "b", "c"):
        progress.start(host)
        clock.time += 3
        assert progress.end(host) is None
    assert progress.summary() == []


def test_the_longest_come_first_and_no_more_than_wanted() -> None:
    clock = Clock()
    progress = run(clock)
    for name, seconds in (("short", 11), ("longest", 30), ("long", 20)):
        progress.task(name, once=True)
        progress.start("a")
        clock.time += seconds
        assert progress.end("a") is None
    assert progress.summary() == ["  30 s  longest (a)", "  20 s  long (a)"]


def test_a_host_that_waited_for_its_turn_is_not_the_slowest() -> None:
    clock = Clock()
    progress = run(clock, hosts=2)
    progress.task("Look", once=False)
    progress.start("first")
    clock.time += 9
    progress.end("first")
    progress.start("second")
    clock.time += 4
    progress.end("second")
    assert progress.summary() == ["  13 s  Look (2 hosts, slowest first with 9 s)"]


def test_many_hosts_at_work_are_counted() -> None:
    assert names(f"vm{n}" for n in range(6)) == "vm0, vm1, vm2, vm3 and 2 more"
    assert names([]) == ""


def test_in_a_run(tmp_path: Path) -> None:
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ncallbacks_enabled = mesh.expansion.progress\n[callback_mesh_expansion_progress]\nafter = 0\n",
        encoding="utf-8",
    )
    (tmp_path / "play.yml").write_text(PLAY, encoding="utf-8")
    (tmp_path / "hosts").write_text("vm1\nvm2\nvm3\nelsewhere\n", encoding="utf-8")
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build/collections"),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_NOCOLOR": "1",
    }
    playbook = Path(sys.executable).with_name("ansible-playbook")
    command = [playbook, "-i", tmp_path / "hosts", "-l", "vm*", tmp_path / "play.yml"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    said = [line.split(" hosts ")[0] for line in lines if line.startswith("… ")]
    assert said == ["… Say something: 1 of 3", "… Say something: 2 of 3"]
    end = "\n".join(lines[lines.index("What took longest:") + 1 :])
    assert "Say something (3 hosts, slowest vm" in end
    assert "Say it once (vm1)" in end
