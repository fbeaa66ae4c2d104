# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mesh.expansion.plugins.module_utils import _packed
from ansible_collections.mesh.expansion.plugins.plugin_utils._drain_action import DrainAction


class ActionModule(DrainAction):
    """Runs the module, and shows how draining goes on. The table travels as one text."""

    def _module(self, arguments: dict[str, t.Any], task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        told = {name: _packed.pack(value) if name == "services" else value for name, value in arguments.items()}
        return _packed.unpack_result(super()._module(told, task_vars))
