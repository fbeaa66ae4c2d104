"""What happens to hosts: a disk that is full, a reboot."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import lab_state

# Where apt puts what it fetches; it refuses to begin where that has no room.
ARCHIVES = "/var/cache/apt/archives"
# Hosts that have another name in the inventory than in the lab.
_LAB_NAMES = {"lvs1": "director"}
_BOOT = "cat /proc/sys/kernel/random/boot_id"
_SECONDS = 120


@contextmanager
def full_disk(name: str) -> Iterator[None]:
    """No package can be fetched to the host meanwhile."""
    lab_state.must(name, f"mount -t tmpfs -o size=64k full {ARCHIVES}")
    try:
        yield
    finally:
        lab_state.must(name, f"umount {ARCHIVES}")


def reboot(name: str) -> None:
    """Restart a host with its disk kept, and wait until everything that starts there has started."""
    before = lab_state.must(name, _BOOT)
    subprocess.run(
        [str(lab_state.ROOT / "lab/lab"), "reboot", _LAB_NAMES.get(name, name)],
        check=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        answer = lab_state.ask(name, f"{_BOOT} && systemctl is-system-running --wait")
        # 1 is a system with a unit that failed.
        if answer.returncode in (0, 1) and answer.stdout and not answer.stdout.startswith(before):
            return
        time.sleep(2)
    raise lab_state.LabStateError(f"{name} did not come back within {_SECONDS} s")
