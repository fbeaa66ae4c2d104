"""What a lab leaves on the machine, found from the system itself and not from the lab's own notes.

So `down` also cleans up after a crash half-way, or after the state directory has been lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from lab import config, proc
from lab.errors import LabError
from lab.hosts import cgroups, network


def _ancestors() -> set[int]:
    """This process and those that it runs under (`lab/lab run` may have started us): never to be killed."""
    found: set[int] = set()
    pid = os.getpid()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            pid = int(
                Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()[1]
            )
        except (OSError, IndexError, ValueError):
            break
    return found


def processes() -> list[int]:
    """Processes with the lab's marker, in one of its network namespaces, or with their root in its state directory."""
    namespaces = set()
    for name in network.namespaces():
        try:
            namespaces.add(os.stat(proc.netns_path(name)).st_ino)
        except OSError:
            continue
    marker = f"{proc.MARKER}=1".encode()
    state = f"{config.state_dir()}/"
    spared = _ancestors()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in spared:
            continue
        try:
            if (
                os.stat(entry / "ns" / "net").st_ino in namespaces
                or marker in (entry / "environ").read_bytes().split(b"\0")
                or os.readlink(entry / "root").startswith(state)
            ):
                found.append(int(entry.name))
        except OSError:
            continue  # ended meanwhile, or a kernel thread
    return sorted(found)


def mounts() -> list[str]:
    """Mount points in the state directory, the last mounted first."""
    return mount_points(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))[::-1]


def mount_points(mountinfo: str) -> list[str]:
    """Mount points in the state directory, also in that of a user with another cache (there is one lab per machine)."""
    own = f"{config.state_dir()}/"
    suffix = "/".join(("", *config.state_dir().parts[-2:], ""))
    points = [line.split()[4].encode().decode("unicode_escape") for line in mountinfo.splitlines()]
    return [point for point in points if point.startswith(own) or suffix in point]


def interfaces() -> list[str]:
    """Interfaces of the lab in the machine's own network namespace: there must never be one."""
    site = config.largest_topology()
    own = {site.bridge, *(network.port_name(host) for host in site.hosts)}
    return sorted(own & set(os.listdir("/sys/class/net")))


def leftovers() -> list[str]:
    """Everything that is left, in words."""
    found = [f"process {pid} ({_command(pid)})" for pid in processes()]
    found += [f"mount {point}" for point in mounts()]
    found += [f"network namespace {name}" for name in network.namespaces()]
    found += [f"interface {name}" for name in interfaces()]
    found += [f"control group {group}" for group in cgroups.leftover()]
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    return b" ".join(words).decode(errors="replace").strip()[:80]


def end_processes(patience: float = 2) -> None:
    """End all of them: politely, then by force."""
    for number, limit in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        deadline = time.monotonic() + limit
        for pid in processes():
            _signal(pid, number)
        while time.monotonic() < deadline:
            proc.reap()
            remaining = processes()
            if not remaining:
                return
            if number == signal.SIGKILL:
                for pid in remaining:
                    _signal(pid, number)
            time.sleep(0.1)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def unmount_all() -> None:
    for point in mounts():
        # One that is gone meanwhile was its pod's, whose last process has ended.
        if proc.run(["umount", point], check=False).returncode != 0 and point in mounts():
            proc.run(["umount", "--lazy", point], check=False)
    left = mounts()
    if left:
        raise LabError(f"still mounted: {', '.join(left)}")
