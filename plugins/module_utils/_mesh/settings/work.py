# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, plans, writes and waits: what the module istio_mesh_config does. Private to the collection."""

from __future__ import annotations

import time
import typing as t

from ..._kube.client import KubeClient
from ..._kube.resources import CONFIGMAPS, DEPLOYMENTS
from ..._kube.retry import retry_on_conflict
from ..._kube.rollout import unfinished
from .document import MeshConfigError
from .plan import Object, Plan, plan
from .restart import Restart

_LOOK_SECONDS = 1.0


class Editor:
    """Carries out the plan; `written` says what was done, also when it ends in an error."""

    def __init__(
        self,
        client: KubeClient,
        params: t.Mapping[str, t.Any],
        check_mode: bool = False,
        sleep: t.Callable[[float], None] = time.sleep,
        clock: t.Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._params = params
        self._check_mode = check_mode
        self._sleep = sleep
        self._clock = clock
        self.written: list[str] = []

    def run(self) -> Plan:
        where = f"ConfigMap {self._params['namespace']}/{self._params['name']}"
        planned = retry_on_conflict(self._attempt, where, sleep=self._sleep)
        if planned.restart is not None and not self._check_mode:
            self._restart(planned.restart)
        return planned

    def _attempt(self, _number: int) -> Plan:
        """Read, plan and write the settings: again when somebody else changed the ConfigMap in between."""
        namespace, name = self._params["namespace"], self._params["deployment"]
        deployment = self._client.get(DEPLOYMENTS, namespace, name) if name else None
        planned = plan(self._params, self._client.get(CONFIGMAPS, namespace, self._params["name"]), deployment)
        if planned.config.changed and not self._check_mode:
            self._client.replace(CONFIGMAPS, namespace, planned.config.after)
            self.written.append(f"update {planned.config.label}")
        return planned

    def _restart(self, restart: Restart) -> None:
        """Also waits for a restart that an earlier run did not wait for."""
        if not (restart.needed or restart.unfinished):
            return
        deadline = self._clock() + self._params["restart_timeout"]
        if restart.needed:
            self._client.patch(DEPLOYMENTS, restart.namespace, restart.name, restart.patch())
            self.written.append(f"restart {restart.label}")
        while True:
            reason = _reason(self._client.get(DEPLOYMENTS, restart.namespace, restart.name))
            if not reason:
                return
            if self._clock() >= deadline:
                break
            self._sleep(_LOOK_SECONDS)
        raise MeshConfigError(
            f"{restart.label} has not finished rolling out after {self._params['restart_timeout']} s: {reason}. "
            "The settings are written; pods that are up already may still have the former ones. See what it waits for: "
            f"kubectl -n {restart.namespace} rollout status deployment/{restart.name}. The next run waits for it again."
        )


def _reason(deployment: Object | None) -> str:
    return "it was deleted" if deployment is None else unfinished(deployment)
