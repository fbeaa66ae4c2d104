# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each task began and which role it is of: what the hosts counted meanwhile is that role's."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: timeline
type: notification
short_description: Writes when each task began
description:
  - For the benchmark C(onboarding). Writes a line of JSON per task to the file that E(MESH_BENCH_TIMELINE) names.
  - Modules that run on the control node are started with the program that E(MESH_BENCH_PYTHON) names.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._file = open(os.environ["MESH_BENCH_TIMELINE"], "w", encoding="utf-8", buffering=1)  # noqa: SIM115
        # What Ansible takes for the interpreter of localhost, for delegated tasks as well.
        sys.executable = os.environ["MESH_BENCH_PYTHON"]

    def _begin(self, task: Any) -> None:
        role = task._role.get_name().rsplit(".", 1)[-1] if task._role else task.action.rsplit(".", 1)[-1]
        self._file.write(json.dumps({"time": time.time(), "role": role, "task": task.get_name()}) + "\n")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        self._begin(task)
