# Part of the lab's stand-in for the kubelet: the status that it writes back.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pod status from the state of its containers: pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


def timestamp(moment: dt.datetime | None = None) -> str:
    moment = moment or dt.datetime.now(dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class ContainerState:
    """What the runner knows of one container; `state` and `last` have the API's form.

    `started`: hook and startupProbe, if any, have succeeded.
    """

    name: str
    image: str
    state: Json
    last: Json
    ready: bool = False
    started: bool = False
    restarts: int = 0
    incarnation: str = ""

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        terminated = self.state.get("terminated")
        return None if terminated is None else terminated["exitCode"]


def waiting(reason: str, message: str = "") -> Json:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(since: str) -> Json:
    return {"running": {"startedAt": since}}


def terminated(code: int, started: str, container_id: str) -> Json:
    return {
        "terminated": {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": started,
            "finishedAt": timestamp(),
            "containerID": container_id,
        }
    }


def phase(
    containers: Sequence[ContainerState],
    restart_policy: str,
    initial: Sequence[ContainerState] = (),
    initialized: bool = True,
) -> str:
    """Pending until every container has run; with Never and OnFailure a pod can come to an end."""
    if not initialized:
        failed = restart_policy == "Never" and any(c.exit_code for c in initial)
        return "Failed" if failed else "Pending"
    if restart_policy != "Always" and all(c.exit_code is not None for c in containers):
        return "Succeeded" if all(c.exit_code == 0 for c in containers) else "Failed"
    started = all(c.running or c.exit_code is not None or c.restarts for c in containers)
    return "Running" if started else "Pending"


def _condition(kind: str, holds: bool, before: Sequence[Json], reason: str = "", message: str = "") -> Json:
    status = "True" if holds else "False"
    since = next(
        (
            c["lastTransitionTime"]
            for c in before
            if c["type"] == kind and c["status"] == status and c.get("lastTransitionTime")
        ),
        timestamp(),
    )
    condition = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if not holds and reason:
        condition |= {"reason": reason, "message": message}
    return condition


def pod_status(
    containers: Sequence[ContainerState],
    initial: Sequence[ContainerState] = (),
    *,
    initialized: bool = True,
    restart_policy: str,
    pod_ip: str | None,
    host_ip: str,
    started: str,
    before: Sequence[Json] = (),
) -> Json:
    """The whole status, ready to be merged into the Pod's; `initial` are the init containers."""
    now = phase(containers, restart_policy, initial, initialized)
    ended = now in ("Succeeded", "Failed")
    sidecars = [c for c in initial if c.running and initialized]
    unready = [c.name for c in (*sidecars, *containers) if not c.ready]
    ready = not unready and not ended
    reason = ("PodCompleted", "") if ended else ("ContainersNotReady", f"containers with unready status: {unready}")
    incomplete = [c.name for c in initial if c.exit_code != 0 and not c.started]
    waiting_for = ("ContainersNotInitialized", f"containers with incomplete status: {incomplete}")
    document = {
        "phase": now,
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}] if pod_ip else [],
        "startTime": started,
        "conditions": [
            _condition("Initialized", initialized, before, *waiting_for),
            _condition("Ready", ready, before, *reason),
            _condition("ContainersReady", ready, before, *reason),
            _condition("PodScheduled", True, before),
        ],
        "containerStatuses": [_container_status(c) for c in containers],
    }
    if initial:
        document["initContainerStatuses"] = [_container_status(c, initial=True) for c in initial]
    return document


def _container_status(container: ContainerState, initial: bool = False) -> Json:
    """An init container that has done its work is ready."""
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"mesh-lab://{container.image}",
        "containerID": f"mesh-lab://{container.incarnation}" if container.incarnation else "",
        "ready": container.ready or (initial and container.exit_code == 0),
        "started": container.started,
        "restartCount": container.restarts,
        "state": container.state,
        "lastState": container.last,
    }
