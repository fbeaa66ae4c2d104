# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that changes how a host is reached, and proves in the same task that it still is.
Private to the collection."""

from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible_collections.mesh.expansion.plugins.module_utils._host import guard


class GuardedAction(ActionBase):
    """Changes the host, and proves over a fresh connection that it can still be reached.

    Both in one task: a task of its own would wait for the slowest host of the play, and the
    timers of the others do not.
    """

    role: str
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if result.get("failed") or not result.get("guarded"):
            return result
        # An established connection may outlive rules that let no new one in. A local one cannot be made anew.
        if type(self._connection).reset is not ConnectionBase.reset:
            self._connection.reset()
        # As the module guard_confirm does.
        proof = self._low_level_execute_command(guard.confirming(self.role, bool(result.get("kept"))), sudoable=True)
        if proof["rc"] == guard.TOO_LATE:
            result.update(failed=True, msg=guard.too_late(self.role))
        elif proof["rc"] != 0:
            said = (proof["stderr"] or proof["stdout"]).strip()
            result.update(failed=True, msg=f"Cannot confirm the change of {self.role}: {said}")
        return result
