# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how draining goes on while a module of IPVS waits. Private to the collection.

A module can say nothing before it ends. So it is run for a short wait at a time, and what it
says is displayed in between.
"""

from __future__ import annotations

import time
import typing as t

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.drain import progress_line
from ansible_collections.mesh.expansion.plugins.module_utils._ipvs.wanted import DRAINED

SLICE = 10
_DEFAULT_TIMEOUT = 300


def drains(arguments: t.Mapping[str, t.Any]) -> bool:
    """Whether a real server is to be drained; what is not as it should be is the module's to complain about."""
    services = arguments.get("services")
    entries = [arguments, *(services if isinstance(services, list) else [])]
    servers = [server for entry in entries if isinstance(entry, dict) for server in entry.get("real_servers") or []]
    return any(isinstance(server, dict) and server.get("state") == DRAINED for server in servers)


def merge(before: dict[str, t.Any] | None, after: dict[str, t.Any]) -> dict[str, t.Any]:
    """The result of two runs, one after the other, as that of one."""
    if before is None:
        return after
    merged = {**before, **after}
    merged["changed"] = bool(before.get("changed") or after.get("changed"))
    merged["operations"] = before.get("operations", []) + after.get("operations", [])
    diffs = [
        diff
        for result in (before, after)
        for diff in _as_list(result.get("diff"))
        if diff.get("before") != diff.get("after")
    ]
    if diffs:
        merged["diff"] = diffs[0] if len(diffs) == 1 else diffs
    return merged


def _as_list(diff: t.Any) -> list[dict[str, t.Any]]:
    return diff if isinstance(diff, list) else [diff] if diff else []


class DrainAction(ActionBase):
    """Runs the module of the same name."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            timeout = int(arguments.get("drain_timeout") or 0) if "drain_timeout" in arguments else _DEFAULT_TIMEOUT
            remove = boolean(arguments.get("drain_remove") or False)
        except (TypeError, ValueError):
            timeout, remove = 0, False
        if self._task.async_val:
            return self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val)
        if self._task.check_mode or timeout <= SLICE or not drains(arguments):
            return self._module(arguments, task_vars)
        return self._watch(arguments, timeout, remove, task_vars)

    def _module(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """One run of it."""
        return dict(self._execute_module(module_args=arguments, task_vars=task_vars))

    def _watch(
        self, arguments: dict[str, t.Any], timeout: int, remove: bool, task_vars: dict[str, t.Any] | None
    ) -> dict[str, t.Any]:
        started = time.monotonic()
        result: dict[str, t.Any] | None = None
        waited = 0.0
        while True:
            wait = max(0, min(SLICE, int(timeout - waited)))
            step = {**arguments, "drain_timeout": wait, "drain_remove": False}
            result = merge(result, self._module(step, task_vars))
            waited = time.monotonic() - started
            left = [one for one in result.get("drained", []) if not one["gone"]]
            if result.get("failed") or not left:
                break
            for one in left:
                self._display.display(f"{self._host(task_vars)}: {progress_line(one, waited)}")
            if waited >= timeout:
                break
        if remove and not result.get("failed"):
            step = {**arguments, "drain_timeout": 0, "drain_remove": True}
            result = merge(result, self._module(step, task_vars))
        return result

    @staticmethod
    def _host(task_vars: dict[str, t.Any] | None) -> str:
        return str((task_vars or {}).get("inventory_hostname", ""))
