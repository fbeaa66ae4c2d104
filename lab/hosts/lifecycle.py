"""A host's life, whatever it is made of: prepare its files, start it, wait until SSH answers, stop it."""

from __future__ import annotations

from lab import proc
from lab.build import store
from lab.config import Host
from lab.errors import LabError
from lab.hosts import nspawn, uml
from lab.hosts.files import host_dir, host_rootfs, write_host_files
from lab.hosts.remote import host_key, lets_in, public_key

# A few seconds on a machine that does nothing else.
BOOT_TIMEOUT = {"director": 240, "node": 120, "vm": 120}


def running(host: Host) -> bool:
    return proc.alive(f"host-{host.name}")


def prepare(host: Host) -> None:
    """Make the host's root ready for files; a half-made one is thrown away, a complete one is kept."""
    if running(host):
        return
    ready = host_dir(host) / "ready"
    if not ready.exists():
        discard(host)
    host_rootfs(host).mkdir(parents=True, exist_ok=True)
    if host.role != "director":
        nspawn.mount_root(host)
    if not ready.exists():
        write_host_files(host, public_key(), host_key(host))
        ready.touch()


def discard(host: Host) -> None:
    """Forget everything that a stopped host has written."""
    proc.run(["umount", "-q", host_rootfs(host)], check=False)
    store.remove_tree(host_dir(host))


def start(host: Host) -> None:
    (uml if host.role == "director" else nspawn).start(host)


def wait_ready(host: Host) -> None:
    """Wait until root can log in and systemd has finished starting."""

    def answers() -> bool:
        proc.reap()
        if not running(host):
            raise proc.GivenUp(
                f"host {host.name} ended while it was starting; "
                f"the end of its console:\n{proc.tail('host-' + host.name)}"
            )
        return lets_in(host)

    proc.wait_for(f"SSH to {host.name}", answers, BOOT_TIMEOUT[host.role])


def host_up(host: Host) -> None:
    """All three; does nothing when the host runs and answers."""
    prepare(host)
    start(host)
    wait_ready(host)


def host_down(host: Host, hard: bool = True) -> None:
    (uml if host.role == "director" else nspawn).stop(host, hard)


def reboot(host: Host, hard: bool = False) -> None:
    """Stop and start with the disk kept; `hard` is a power cut."""
    if not running(host):
        raise LabError(f"host {host.name} does not run: `lab/lab up` starts it")
    host_down(host, hard)
    host_up(host)


def leader(host: Host) -> int:
    """Process id, on this machine, of a container host's pid 1."""
    if host.role == "director":
        raise LabError(f"{host.name} is a virtual machine: its processes are not this machine's; use ssh")
    return nspawn.leader(host)
