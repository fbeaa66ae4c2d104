# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module that only asks the Kubernetes API in Ansible's own process. Private to the collection.

Where a task runs on the control node with the interpreter of Ansible, a module would be packed, started by a Python of
its own, and load the client library anew: a second each, while everything else waits. On any other host, as another
user, with an environment of its own, or asynchronously, it runs as every module does; so it does with options that it
refuses, and says why.
"""

from __future__ import annotations

import json
import sys
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

TaskVars = t.Mapping[str, t.Any]


class Ended(SystemExit):
    """The end of a module's run, as AnsibleModule ends it."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(1 if result.get("failed") else 0)
        self.result = result


class Module:
    """What a module's run uses of AnsibleModule."""

    def __init__(self, params: dict[str, t.Any], check_mode: bool, warn: t.Callable[[str], None]) -> None:
        self.params = params
        self.check_mode = check_mode
        self.warn = warn

    def exit_json(self, **result: t.Any) -> t.NoReturn:
        raise Ended(result)

    def fail_json(self, msg: str, **result: t.Any) -> t.NoReturn:
        raise Ended({"failed": True, "msg": msg, **result})


class InProcessAction(ActionBase):
    """Runs the module of the same name."""

    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True
    # Set by each: the module's file.
    work: t.Any = None

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        params = self._params() if self._is_here(task_vars or {}) else None
        if params is None:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
            return result
        try:
            self.work.run(Module(params, self._task.check_mode, self._display.warning))
        except Ended as end:
            result.update(end.result)
        return result

    def _is_here(self, task_vars: TaskVars) -> bool:
        if self._connection.transport != "local" or self._connection.become or self._task.async_val:
            return False
        if any(self._task.environment or ()):
            return False
        host = self._task.delegate_to
        seen = (task_vars.get("ansible_delegated_vars") or {}).get(host, {}) if host else task_vars
        return bool(self._templar.template(seen.get("ansible_python_interpreter")) == sys.executable)

    def _params(self) -> dict[str, t.Any] | None:
        """The options as a module gets them, which is as JSON; None where it would refuse them."""
        given = json.loads(json.dumps(self._task.args))
        spec = self.work.argument_spec()
        found = ArgumentSpecValidator(spec, required_if=getattr(self.work, "REQUIRED_IF", None)).validate(given)
        return None if found.error_messages else dict(found.validated_parameters)
