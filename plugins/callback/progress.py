# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: aggregate
short_description: How far a long task is, and what took longest
version_added: "1.1.0"
author:
  - mesh.expansion contributors (@mesh-expansion)
description:
  - While a task takes long, says on how many of how many hosts it is done and which hosts are at work. It speaks when a
    host is done, so a task of one host is only named at the end.
  - At the end of the run names the tasks that took longest, each with its slowest host.
  - A task that is over sooner than O(after) is never mentioned; a quick run gives no line more than without.
options:
  after:
    description: Seconds that a task takes before it is spoken of, and between two lines about it.
    type: float
    default: 10
    ini:
      - section: callback_mesh_expansion_progress
        key: after
    env:
      - name: MESH_EXPANSION_PROGRESS_AFTER
  longest:
    description: How many tasks are named at the end of the run, the longest first. With V(0) none are.
    type: int
    default: 5
    ini:
      - section: callback_mesh_expansion_progress
        key: longest
    env:
      - name: MESH_EXPANSION_PROGRESS_LONGEST
requirements:
  - To be enabled, by C(callbacks_enabled = mesh.expansion.progress) in section C([defaults]) of C(ansible.cfg), or by
    the environment variable C(ANSIBLE_CALLBACKS_ENABLED).
"""

import time
import typing as t

from ansible.plugins.callback import CallbackBase
from ansible_collections.mesh.expansion.plugins.plugin_utils._progress import Progress


def _hosts(play: t.Any) -> int:
    """How many hosts of the inventory, and of the run's limit, the play is for."""
    inventory = play.get_variable_manager()._inventory
    return len(inventory.get_hosts(play.hosts))


class CallbackModule(CallbackBase):
    """Gives the run's events to a Progress, and its lines to the display."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "mesh.expansion.progress"
    CALLBACK_NEEDS_ENABLED = True

    def set_options(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().set_options(*args, **kwargs)
        self._progress = Progress(self.get_option("after"), self.get_option("longest"), time.monotonic)

    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._progress.play(_hosts(play))

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._progress.task(task.get_name(), bool(task.run_once))

    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._progress.task(task.get_name(), bool(task.run_once))

    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._progress.start(host.get_name())

    def _end(self, result: t.Any) -> None:
        line = self._progress.end(result._host.get_name())
        if line:
            self._display.display(f"… {line}")

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._end(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._end(result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._end(result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._end(result)

    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        lines = self._progress.summary()
        if lines:
            self._display.display("What took longest:")
        for line in lines:
            self._display.display(line)
