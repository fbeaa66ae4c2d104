"""The one Debian root file system of all hosts, made by mmdebstrap from the machine's own mirrors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab import config, proc
from lab.build import apt, store

_CUSTOMIZE = """
set -eu
root=$1
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/hostname "$root"/etc/resolv.conf
chroot "$root" systemctl disable nginx.service
chroot "$root" systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-timesyncd.service systemd-networkd.service man-db.timer
chroot "$root" systemctl enable mesh-lab-setup.service
# A known machine-id file is written for each host; an absent one would start systemd's first-boot presets.
: > "$root"/etc/machine-id
"""

_SETUP_UNIT = """[Unit]
Description=Lab: files and network of this host
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service
Before=network.target network-online.target sysinit.target ssh.service
Wants=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/mesh-lab-setup

[Install]
WantedBy=sysinit.target
"""

_SETUP = """#!/bin/sh
# Copies the files of the seed disk (virtual machine only, first boot only), then configures the network.
set -eu
seed=/dev/ubdb
if [ -b "$seed" ] && [ ! -e /var/lib/mesh-lab-seeded ]; then
    mkdir -p /run/mesh-lab-seed
    mount -t ext4 -o ro "$seed" /run/mesh-lab-seed
    cp -a /run/mesh-lab-seed/. /
    umount /run/mesh-lab-seed
    rmdir /lost+found 2>/dev/null || true
    touch /var/lib/mesh-lab-seeded
    hostname -F /etc/hostname
fi
. /etc/mesh-lab.conf
ip link set lo up
ip addr replace "$ADDRESS" dev "$NIC"
ip link set "$NIC" up
ip route replace default via "$GATEWAY"
"""

_SSHD = "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n"
_DPKG = ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/doc/*")


def packages() -> dict[str, list[str]]:
    text = (config.repo_root() / "lab" / "guest-packages.yml").read_text(encoding="utf-8")
    lists: dict[str, list[str]] = yaml.safe_load(text)
    return lists


def inputs() -> dict[str, Any]:
    return {
        "installed": packages()["installed"],
        "release": config.release().codename,
        "files": [_CUSTOMIZE, _SETUP_UNIT, _SETUP, _SSHD, _DPKG],
    }


def path() -> Path:
    """The finished tree; `build` must have run before."""
    return store.path("rootfs", inputs()) / "root"


def build() -> Path:
    return store.entry("rootfs", inputs(), _build) / "root"


def _build(target: Path) -> None:
    extra = target / "extra"
    _write(extra / "etc/systemd/system/mesh-lab-setup.service", _SETUP_UNIT)
    _write(extra / "usr/local/sbin/mesh-lab-setup", _SETUP, mode=0o755)
    _write(extra / "etc/ssh/sshd_config.d/mesh-lab.conf", _SSHD)
    _write(target / "customize", _CUSTOMIZE, mode=0o755)
    release = config.release()
    _write(target / "system.sources", apt.system_sources(release.codename))
    options = [f"--aptopt={line}" for line in transport_settings()]
    options += [f"--dpkgopt={line}" for line in _DPKG]
    proc.run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            f"--include={','.join(packages()['installed'])}",
            *options,
            f'--customize-hook=cp -a {extra}/. "$1"/',
            f'--customize-hook=sh {target}/customize "$1"',
            release.codename,
            target / "root",
            target / "system.sources",
        ],
        timeout=1800,
    )
    store.remove_tree(extra)


def transport_settings() -> list[str]:
    """The machine's apt proxy and TLS settings, for mmdebstrap's own apt; no other configuration."""
    dump = proc.run(["apt-config", "dump"]).stdout.splitlines()
    prefixes = ("Acquire::http::", "Acquire::https::", "Acquire::Check-")
    return [line for line in dump if line.startswith(prefixes) and '""' not in line]


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
