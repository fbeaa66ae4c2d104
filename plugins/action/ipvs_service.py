# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mesh.expansion.plugins.plugin_utils._drain_action import DrainAction


class ActionModule(DrainAction):
    """Runs the module, and shows how draining goes on."""
