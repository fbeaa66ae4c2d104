"""Debian packages and commands that the machine itself needs."""

from __future__ import annotations

import os
import shutil
import subprocess

from lab import config, proc
from lab.errors import LabError

COMMANDS = (
    "ip",
    "nsenter",
    "ethtool",
    "mount",
    "mmdebstrap",
    "systemd-nspawn",
    "linux.uml",
    "mkfs.ext4",
    "ssh",
    "dpkg-deb",
)


def parse_packages(text: str) -> list[str]:
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def packages() -> list[str]:
    return parse_packages((config.repo_root() / "lab" / "host-packages.txt").read_text(encoding="utf-8"))


def missing() -> list[str]:
    """Packages of the list that are not installed."""
    query = proc.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *packages()], check=False).stdout
    installed = {line.split()[1] for line in query.splitlines() if line.startswith("installed ")}
    return [name for name in packages() if name not in installed]


def install() -> list[str]:
    """Install what is missing by apt-get; returns the names."""
    names = missing()
    if not names:
        return []
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-q", "--yes", "--no-install-recommends", *names]):
        if subprocess.run(["apt-get", *command], env=env, check=False).returncode != 0:
            raise LabError(f"apt-get {command[0]} failed; to install by hand: apt-get install {' '.join(names)}")
    return names


def require() -> None:
    """A clear message before anything is started."""
    absent = [command for command in COMMANDS if shutil.which(command) is None]
    if absent:
        raise LabError(
            f"not installed on this machine: {', '.join(absent)}; `lab/lab deps` installs what the lab needs"
        )
