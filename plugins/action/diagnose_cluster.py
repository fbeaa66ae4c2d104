# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

from ansible_collections.mesh.expansion.plugins.plugin_utils import _bundle


class ActionModule(_bundle.BundleAction):
    """Runs the module of the same name."""

    def place(self, task_vars: t.Mapping[str, t.Any]) -> str:
        return "cluster"
