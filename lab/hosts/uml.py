"""The director: Debian's User-Mode Linux kernel, which brings ip_vs whatever kernel this machine runs."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import time
from pathlib import Path

from lab import config, proc
from lab.build import director, store, uml_shim
from lab.config import Host
from lab.errors import LabError
from lab.hosts import network
from lab.hosts.files import host_dir, host_rootfs, machine_id
from lab.hosts.remote import ssh

MEMORY_MB = 384


def name(host: Host) -> str:
    return f"host-{host.name}"


def stay_on_one_cpu(number: int = 0) -> None:
    """For the child that becomes the kernel: it takes turns with each guest process, and waking another CPU each time
    costs 2 to 4 times as much. The first director has the last CPU, the second the one before, …"""
    cpus = sorted(os.sched_getaffinity(0), reverse=True)
    os.sched_setaffinity(0, {cpus[number % len(cpus)]})


def _control(host: Host) -> Path:
    return config.run_dir() / "uml" / host.name


def _orphans(host: Host) -> list[int]:
    """Helpers of a kernel that was killed; they go on, and hold its disk and its tap."""
    found, word = [], f"uml_dir={_control(host)}/".encode()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and word in (entry / "cmdline").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def start(host: Host) -> None:
    if proc.alive(name(host)):
        return
    proc.end_all(f"what was left of {host.name}", lambda: _orphans(host))
    directory = host_dir(host)
    disk, seed = directory / "disk.cow", directory / "seed.img"
    if not disk.exists():
        proc.run(["mkfs.ext4", "-q", "-F", "-d", host_rootfs(host), seed, "16M"])
    control = _control(host)
    store.remove_tree(control)  # left by a kernel that was killed, it would make this one take another name
    control.mkdir(parents=True)
    argv = [
        "linux.uml",
        f"mem={MEMORY_MB}M",
        f"ubd0={disk},{director.path()}",
        f"ubd1={seed}",
        "root=/dev/ubda",
        "rw",
        # A fixed address: neighbours keep the old one for half a minute after a reboot.
        f"vec0:transport=tap,ifname={network.port_name(host)},mac={network.mac(host.address)}",
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        f"umid={host.name}",
        f"uml_dir={control}/",
        f"systemd.machine_id={machine_id(host)}",
        f"systemd.hostname={host.name}",
        "quiet",
    ]
    env = {"LD_PRELOAD": str(uml_shim.path())}
    if shutil.disk_usage("/dev/shm").free < MEMORY_MB * 2**20:
        env["TMPDIR"] = str(config.run_dir())  # the guest's memory is a file
    site = config.topology()
    number = site.with_role("director").index(host)
    proc.start(name(host), argv, netns=site.netns, env=env, preexec=functools.partial(stay_on_one_cpu, number))


def stop(host: Host, hard: bool) -> None:
    """End the kernel: by an orderly shutdown of the guest, or at once like a power cut."""
    if not hard and proc.alive(name(host)):
        ssh(host, ["systemctl", "--no-block", "poweroff"], check=False)
        deadline = time.monotonic() + 30
        while proc.alive(name(host)):
            proc.reap()
            if time.monotonic() > deadline:
                raise LabError(
                    f"{host.name} does not shut down within 30 s; `lab/lab reboot --hard {host.name}` cuts its power"
                )
            time.sleep(0.1)
    proc.stop(name(host), timeout=0, number=signal.SIGKILL)
