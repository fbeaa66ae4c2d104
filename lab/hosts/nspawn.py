"""Nodes and VMs: systemd-nspawn containers with real systemd on an overlay over the common root file system."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from lab import proc
from lab.build import rootfs
from lab.config import Host
from lab.errors import LabError
from lab.hosts import cgroups
from lab.hosts.files import host_dir, host_rootfs


def mount_root(host: Host) -> None:
    """Mount the host's root: the common tree below, its own changes above."""
    root = host_rootfs(host)
    upper, work = host_dir(host) / "upper", host_dir(host) / "work"
    for directory in (root, upper, work):
        directory.mkdir(parents=True, exist_ok=True)
    if os.path.ismount(root):
        return
    layers = f"lowerdir={rootfs.path()},upperdir={upper},workdir={work}"
    try:
        proc.run(["mount", "-t", "overlay", "overlay", "-o", layers, root])
    except LabError as error:
        raise LabError(
            f"{error}; the file system of {upper} must be able to be an overlay's upper layer (ext4 and xfs are, "
            "another overlay is not): set XDG_CACHE_HOME to a directory on such a file system"
        ) from error


def start(host: Host) -> None:
    if proc.alive(f"host-{host.name}"):
        return
    _end_orphans(host)
    argv = [
        "systemd-nspawn",
        "--quiet",
        f"--directory={host_rootfs(host)}",
        "--boot",
        f"--machine={host.name}",
        "--register=no",
        "--keep-unit",
        f"--network-namespace-path={proc.netns_path(str(host.netns))}",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--setenv={proc.MARKER}=1",
    ]
    # A given network namespace is the container's own, but only so does nspawn let it write its network sysctls.
    writable = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    proc.start(f"host-{host.name}", cgroups.wrapped(host, argv), env=writable)


def stop(host: Host, hard: bool) -> None:
    """End the container: an orderly shutdown, or at once."""
    try:
        pid = leader(host)
    except (LabError, OSError):
        pid = None  # it does not run, or has not come so far
    if hard and pid is not None:
        # The supervisor's death would leave the container's processes behind; their pid 1 takes all of them along.
        os.kill(pid, signal.SIGKILL)
    proc.stop(f"host-{host.name}", timeout=2 if hard else 30)


def _end_orphans(host: Host) -> None:
    """End a container whose supervisor was killed:
    it would go on in the new one's place, with its root and addresses."""
    proc.end_all(f"what was left of {host.name}", lambda: _orphans(str(host.netns)))


def _orphans(netns: str) -> list[int]:
    """Processes of a container in a network namespace: those in a process namespace below ours."""
    found = []
    for word in proc.run(["ip", "netns", "pids", netns]).stdout.split():
        with contextlib.suppress(OSError):
            if len(_namespace_ids(int(word))) > 1:
                found.append(int(word))
    return found


def leader(host: Host) -> int:
    """Process id, on this machine, of the container's pid 1."""
    supervisor = proc.pid_of(f"host-{host.name}")
    if supervisor is None:
        raise LabError(f"host {host.name} does not run: `lab/lab up` starts it")
    waiting = [supervisor]
    while waiting:
        pid = waiting.pop()
        levels = _namespace_ids(pid)
        if len(levels) > 1 and levels[-1] == "1":
            return pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        waiting += [int(word) for word in children.read_text(encoding="utf-8").split()]
    raise LabError(f"host {host.name} has no pid 1 yet")


def _namespace_ids(pid: int) -> list[str]:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("NSpid:"):
            return line.split()[1:]
    return []
