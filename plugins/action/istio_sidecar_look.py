# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar import package
from ansible_collections.mesh.expansion.plugins.module_utils._mesh.sidecar.settings import SettingsError

MODULE = "mesh.expansion.istio_sidecar_look"


class ActionModule(ActionBase):
    """Looks at a package on the control node by itself, and leaves the rest to the module."""

    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        options = dict(self._task.args)
        source, checksum = str(options.get("package") or ""), str(options.get("checksum") or "")
        if source and not package.is_url(source):
            try:
                options["offer"] = dataclasses.asdict(package.local_offer(source, checksum))
            except SettingsError as exc:
                raise AnsibleActionFail(str(exc)) from None
        result.update(self._execute_module(module_name=MODULE, module_args=options, task_vars=task_vars))
        return result
