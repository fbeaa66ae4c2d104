# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done for the mesh settings: the ConfigMap, then the restart. Pure. Private to the collection."""

from __future__ import annotations

import typing as t

from . import configmap
from .document import MeshConfigError
from .restart import Restart, plan_restart

Object = t.Dict[str, t.Any]


class Plan(t.NamedTuple):
    config: configmap.Plan
    # None: no Deployment is named.
    restart: Restart | None = None

    @property
    def operations(self) -> list[str]:
        """In order: pods that were started before the settings are written would read the former ones."""
        update = [f"update {self.config.label}"] if self.config.changed else []
        return update + ([f"restart {self.restart.label}"] if self.restart and self.restart.needed else [])

    def report(self) -> dict[str, t.Any]:
        """Everything that is reported, from the plan alone, so that check mode and a real run say the same."""
        diffs = [self.config.diff, *([self.restart.diff()] if self.restart and self.restart.needed else [])]
        operations = self.operations
        return {**self.config.result, "changed": bool(operations), "operations": operations, "diff": diffs}


def plan(params: t.Mapping[str, t.Any], config: Object | None, deployment: Object | None) -> Plan:
    """From the module's parameters and the two objects; ``deployment`` counts where the parameters name one."""
    name = params["deployment"]
    if name and params["state"] == "present" and not params["remember"]:
        raise MeshConfigError(
            f"deployment is {name}, and remember is false: without the record of what was changed, nothing tells "
            "whether the Deployment was restarted since. Set remember to true, or restart it yourself."
        )
    planned = configmap.plan(params, config)
    if not name:
        return Plan(planned)
    return Plan(planned, plan_restart(params["namespace"], name, deployment, planned.result["settings_hash"]))
