"""A limit of the machine that many hosts together reach: root's inotify instances, which all containers share."""

from __future__ import annotations

from pathlib import Path

from lab import config, proc
from lab.errors import LabError

INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
PER_CONTAINER = 8
"""systemd and its services take about 7."""
OTHERS = 64
"""The machine's own programs and the control plane."""


def _record() -> Path:
    return config.run_dir() / "max_user_instances"


def needed(containers: int) -> int:
    return OTHERS + PER_CONTAINER * containers


def make_room(containers: int) -> None:
    """Raise the limit when it is too low for so many containers, and write down what it was."""
    now, wanted = int(INSTANCES.read_text(encoding="ascii")), needed(containers)
    if now >= wanted:
        return
    _record().parent.mkdir(parents=True, exist_ok=True)
    if not _record().exists():
        _record().write_text(str(now), encoding="ascii")
    _write(wanted)


def restore() -> None:
    """As it was before the lab."""
    if _record().exists():
        _write(int(_record().read_text(encoding="ascii")))
        _record().unlink()


def _write(value: int) -> None:
    try:
        proc.run(["sysctl", "-q", "-w", f"fs.inotify.max_user_instances={value}"])
    except LabError as error:
        raise LabError(
            f"{error}; hosts of the lab share this limit: set it on the machine, or ask for fewer"
        ) from error
