# Part of the lab's stand-in for the kubelet: whom a container runs as.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""securityContext of Pod and container: user, groups, capabilities; pure functions.

A container of root keeps all capabilities unless its own context drops some; another user has none. seccomp, SELinux
and AppArmor profiles are not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.pods.errors import CannotStart, UnsupportedSpec

Json = dict[str, Any]
SETPRIV = "/usr/bin/setpriv"


@dataclass(frozen=True)
class Identity:
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    bounding: tuple[str, ...] = ()
    """Changes to the capability bounding set, as setpriv takes them."""
    no_new_privs: bool = False
    read_only_root: bool = False

    @property
    def home(self) -> str:
        return "/root" if self.uid == 0 else "/"


def _bounding(context: Json) -> tuple[str, ...]:
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        return ()
    add, drop = ([n.upper().removeprefix("CAP_") for n in capabilities.get(k) or []] for k in ("add", "drop"))
    if "ALL" in add:
        return ()
    if "ALL" in drop:
        return ("-all", *(f"+{name.lower()}" for name in add))
    return tuple(f"-{name.lower()}" for name in drop if name not in add)


def identity(pod: Json, container: Json, image_user: tuple[int, int] | None = None) -> Identity:
    """The container's context wins over the Pod's, and that over the image's user."""
    shared = pod["spec"].get("securityContext") or {}
    context = container.get("securityContext") or {}
    for name, value in (("windowsOptions", shared), ("windowsOptions", context)):
        if value.get(name):
            raise UnsupportedSpec(f"securityContext: {name} is not supported by the lab's pod runner")
    both = {**shared, **{k: v for k, v in context.items() if v is not None}}
    image_uid, image_gid = image_user or (0, 0)
    uid = both.get("runAsUser", image_uid)
    gid = both.get("runAsGroup", image_gid if "runAsUser" not in both else 0)
    if both.get("runAsNonRoot") and uid == 0:
        message = "container has runAsNonRoot and would run as root (no runAsUser, no user of the image)"
        raise CannotStart("CreateContainerConfigError", message)
    groups = {*shared.get("supplementalGroups", []), *([shared["fsGroup"]] if "fsGroup" in shared else [])}
    return Identity(
        uid,
        gid,
        tuple(sorted(groups)),
        _bounding(context),
        context.get("allowPrivilegeEscalation") is False,
        bool(context.get("readOnlyRootFilesystem")),
    )


def sysctls(pod: Json) -> dict[str, str]:
    """The Pod's kernel settings. Those of its network namespace (net.*) are its own; others are refused."""
    wanted = (pod["spec"].get("securityContext") or {}).get("sysctls") or []
    return {entry["name"]: entry["value"] for entry in wanted}


def volume_owner(pod: Json, containers: Sequence[Json]) -> tuple[int | None, int | None]:
    """User that all containers run as, if it is one, and fsGroup: who owns the Pod's volumes, as in a kubelet."""
    shared = pod["spec"].get("securityContext") or {}
    users = {(c.get("securityContext") or {}).get("runAsUser", shared.get("runAsUser")) for c in containers}
    return (users.pop() if len(users) == 1 else None), shared.get("fsGroup")


def command_as(who: Identity, argv: Sequence[str]) -> list[str]:
    """Command line that becomes `argv` with the rights of `who`; it is started as root."""
    if who == Identity(read_only_root=who.read_only_root):
        return list(argv)
    groups = ["--groups", ",".join(map(str, who.groups))] if who.groups else ["--clear-groups"]
    words = [SETPRIV, "--reuid", str(who.uid), "--regid", str(who.gid), *groups]
    if who.bounding:
        words += ["--bounding-set", ",".join(who.bounding)]
    if who.no_new_privs:
        words.append("--no-new-privs")
    return [*words, "--", *argv]
