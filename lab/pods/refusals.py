# Part of the lab's stand-in for the kubelet: what it refuses.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of a Pod that the runner does not honour and that would change what the Pod does: a pure function.

Taken and not enforced: limits and requests of resources, seccomp and other profiles, scheduling (a Pod needs a
nodeName). Containers of a Pod share its network and its volumes; IPC, UTS and process namespaces are each one's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lab.pods import security
from lab.pods.errors import UnsupportedSpec
from lab.pods.volumes import all_containers

Json = dict[str, Any]
OF_POD = (
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
    "ephemeralContainers",
    "activeDeadlineSeconds",
    "setHostnameAsFQDN",
    "resourceClaims",
    "runtimeClassName",
)
OF_CONTAINER = ("stdin", "tty", "volumeDevices", "restartPolicyRules")


def _refused(pod: Json) -> Iterator[str]:
    yield from (name for name in OF_POD if pod["spec"].get(name))
    if pod["spec"].get("hostUsers") is False:
        yield "hostUsers: false"
    yield from (f"sysctl {name}" for name in security.sysctls(pod) if not name.startswith("net."))
    for container in all_containers(pod):
        yield from (f"{name} (container {container['name']})" for name in OF_CONTAINER if container.get(name))
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield f"hostPort (container {container['name']})"
    for container in pod["spec"]["containers"]:
        if container.get("restartPolicy"):
            yield f"restartPolicy of one container ({container['name']})"


def check(pod: Json) -> None:
    """Raise UnsupportedSpec with the names of what is refused."""
    found = list(_refused(pod))
    if found:
        raise UnsupportedSpec(f"not supported by the lab's pod runner: {', '.join(found)}")
