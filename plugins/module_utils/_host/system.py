# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is: system, distribution, Python, addresses. Private to the collection."""

from __future__ import annotations

import os
import platform
import typing as t

from ansible.module_utils.common.sys_info import get_distribution, get_distribution_version

from . import addresses, commands, paths


def facts() -> dict[str, t.Any]:
    interfaces, places = addresses.look()
    return {
        "system": platform.system(),
        "service_mgr": _service_manager(),
        "python_version": platform.python_version(),
        "machine": platform.machine(),
        "distribution": get_distribution() or "",
        "distribution_version": get_distribution_version() or "",
        "interfaces": interfaces,
        "addresses": [
            str(place.address) for place in places if place.address.version == 4 and not place.address.is_loopback
        ],
    }


def _service_manager() -> str:
    """The name of process 1, where that is not systemd."""
    if os.path.isdir("/run/systemd/system"):
        return "systemd"
    return (paths.read_text("/proc/1/comm") or "").strip()


def ip_vs() -> dict[str, t.Any]:
    """Whether the kernel has the Linux Virtual Server, or could load it."""
    if os.path.exists("/proc/net/ip_vs"):
        return {"usable": True, "error": ""}
    tried = commands.run(["modprobe", "--dry-run", "--verbose", "ip_vs"])
    return {"usable": tried.rc == 0, "error": (tried.stderr or tried.stdout).strip()}


def arp_settings() -> dict[str, int]:
    """How the host answers ARP on all of its interfaces."""
    root = "/proc/sys/net/ipv4/conf/all"
    return {name: int(paths.read_text(f"{root}/{name}") or 0) for name in ("arp_ignore", "arp_announce")}
