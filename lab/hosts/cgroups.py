"""A control group of its own for every container.

Several containers started from one group would otherwise share the one that systemd-nspawn makes below it, and
every container's systemd would take the services of the others for its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from lab import config
from lab.config import Host


def booted_with_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _hierarchies() -> list[Path]:
    """The hierarchies that systemd uses: cgroup 2, or the named v1 hierarchy and its hybrid companion."""
    base = Path("/sys/fs/cgroup")
    if (base / "cgroup.controllers").exists():
        return [base]
    return [path for path in (base / "systemd", base / "unified") if (path / "cgroup.procs").exists()]


def _groups(host: Host) -> list[Path]:
    return [path / f"{config.topology().netns}-{host.name}" for path in _hierarchies()]


def wrapped(host: Host, argv: list[str]) -> list[str]:
    """The command, started in the host's own group."""
    unit = f"{config.topology().netns}-{host.name}"
    if booted_with_systemd():
        return ["systemd-run", "--quiet", "--scope", "--collect", "--property=Delegate=yes", f"--unit={unit}", *argv]
    groups = _groups(host)
    for group in groups:
        group.mkdir(exist_ok=True)
    enter = "".join(f"echo $$ > {group}/cgroup.procs && " for group in groups)
    return ["sh", "-c", f'{enter}exec "$@"', "sh", *argv]


def leftover() -> list[Path]:
    prefix = f"{config.topology().netns}-"
    return [
        group for base in _hierarchies() for group in base.iterdir() if group.is_dir() and group.name.startswith(prefix)
    ]


def remove_all() -> None:
    """Remove the groups, children first; their processes must have ended."""
    for group in leftover():
        for directory, _names, _files in os.walk(group, topdown=False):
            os.rmdir(directory)
