# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mesh.expansion.plugins.plugin_utils._guarded_action import GuardedAction


class ActionModule(GuardedAction):
    """Runs the module of the same name."""

    role = "istio_sidecar"
