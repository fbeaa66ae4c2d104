# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is: system, distribution, Python, addresses. Private to the collection."""

from __future__ import annotations

import os
import platform
import pwd
import re
import typing as t
import urllib.request

from ansible.module_utils.common.sys_info import get_distribution, get_distribution_version

from . import addresses, commands, kernel, paths

# Where kube-proxy listens by default.
_KUBE_PROXY_METRICS = "http://127.0.0.1:10249/metrics"
_SECONDS = 3


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


def user() -> dict[str, t.Any]:
    """Who the module runs as."""
    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return {"user": name, "root": uid == 0}


def _service_manager() -> str:
    """The name of process 1, where that is not systemd."""
    if os.path.isdir("/run/systemd/system"):
        return "systemd"
    return (paths.read_text("/proc/1/comm") or "").strip()


def ip_vs() -> dict[str, t.Any]:
    """Whether the kernel has the Linux Virtual Server, or could load it."""
    if os.path.exists("/proc/net/ip_vs"):
        return {"usable": True, "error": ""}
    return _loadable("ip_vs")


def macvlan() -> dict[str, t.Any]:
    """Whether the kernel can put an interface with an own hardware address on another one, or could load that."""
    if not kernel.missing(["macvlan"]):
        return {"usable": True, "error": ""}
    return _loadable("macvlan")


def _loadable(name: str) -> dict[str, t.Any]:
    tried = commands.run(["modprobe", "--dry-run", "--verbose", name])
    return {"usable": tried.rc == 0, "error": (tried.stderr or tried.stdout).strip()}


def external_ips() -> bool | None:
    """Whether kube-proxy heeds the external addresses of Services; None where it does not tell. Before the gate it
    always did."""
    try:
        # It is on this host: no proxy stands between.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(_KUBE_PROXY_METRICS, timeout=_SECONDS) as answer:
            text = answer.read().decode("utf-8", "replace")
    except OSError:
        return None
    gate = re.search(r'^kubernetes_feature_enabled\{name="AllowServiceExternalIPs"[^}]*\} (\d+)', text, re.MULTILINE)
    return gate.group(1) != "0" if gate else None


def arp_settings() -> dict[str, int]:
    """How the host answers ARP on all of its interfaces."""
    root = "/proc/sys/net/ipv4/conf/all"
    return {name: int(paths.read_text(f"{root}/{name}") or 0) for name in ("arp_ignore", "arp_announce")}
