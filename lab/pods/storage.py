# Part of the lab's stand-in for the kubelet: a Pod's volumes on the machine.
# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One tmpfs for each Pod, so that tokens never touch the disk: its volumes, and what its containers write.

Files of a volume are exchanged as a kubelet does it: all at once, through the link `..data`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from lab.pods import security, volumes
from lab.pods.api import Api
from lab.pods.errors import CannotStart
from lab.pods.objects import Objects
from lab.pods.tokens import Tokens

log = logging.getLogger("storage")
Json = dict[str, Any]
SIZE = "512m"
REFRESH_SECONDS = 10
DATA = "..data"


def write(directory: Path, files: volumes.Files, user: int | None, group: int | None) -> None:
    """Exchange the files of a volume; readers see the old ones or the new ones."""
    payload = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    payload.chmod(0o755)
    for name, file in files.items():
        path = payload / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(file.content)
        _own(path, file, user, group)
    before = os.readlink(directory / DATA) if (directory / DATA).is_symlink() else None
    _link(payload.name, directory / DATA)
    names = {name.split("/")[0] for name in files}
    for name in names:
        if not (directory / name).is_symlink():
            (directory / name).symlink_to(f"{DATA}/{name}")
    for entry in directory.iterdir():
        # A folder is where another volume is mounted inside this one.
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    if before is not None:
        shutil.rmtree(directory / before)


def _own(path: Path, file: volumes.File, user: int | None, group: int | None) -> None:
    """fsGroup reads everything; a token belongs to the pod's user or group when there is one."""
    private = file.private and (user is not None or group is not None)
    mode = 0o600 if private else file.mode
    os.chown(path, user if private and user is not None else 0, 0 if group is None else group)
    path.chmod(mode if group is None else mode | 0o440)


def _link(target: str, link: Path) -> None:
    temporary = link.with_name(link.name + "_tmp")
    temporary.symlink_to(target)
    temporary.rename(link)


def make_empty(directory: Path, group: int | None) -> None:
    directory.mkdir(exist_ok=True)
    if group is not None:
        os.chown(directory, 0, group)
    directory.chmod(0o777 if group is None else 0o2777)


def clear(base: Path) -> None:
    """Unmount and remove what an earlier runner left."""
    for directory in base.iterdir() if base.exists() else ():
        _unmount(directory)


def _unmount(directory: Path) -> None:
    if directory.is_mount():
        subprocess.run(["umount", "--lazy", directory], check=True, timeout=20)
    directory.rmdir()


class Storage:
    """The tmpfs of one Pod."""

    def __init__(self, base: Path, api: Api, objects: Objects, pod: Json) -> None:
        self.pod = pod
        self._directory = base / pod["metadata"]["uid"]
        self._objects = objects
        self._tokens = Tokens(api, pod)
        self._written: dict[str, volumes.Files] = {}

    @property
    def volumes_dir(self) -> Path:
        return self._directory / "volumes"

    def create(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        if not self._directory.is_mount():
            options = f"size={SIZE},mode=0700"
            command = ["mount", "-t", "tmpfs", "-o", options, "mesh-lab-pod", str(self._directory)]
            subprocess.run(command, check=True, timeout=20)
        self.volumes_dir.mkdir(exist_ok=True)

    def fresh_root(self, container: str) -> Path:
        """Where a new start of the container has its writable root; the one before is forgotten."""
        directory = self._directory / "containers" / container
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
        return directory

    def remove(self) -> None:
        if self._directory.exists():
            _unmount(self._directory)

    async def synchronise(self, max_age: float = 0) -> None:
        """Bring all volumes up to date; CannotStart says why one cannot be filled."""
        found = await self._objects.fetch(self.pod["metadata"]["namespace"], volumes.references(self.pod), max_age)
        held = {want: await self._tokens.get(want) for want in volumes.tokens_wanted(self.pod)}
        user, group = security.volume_owner(self.pod, volumes.all_containers(self.pod))
        for name, (kind, source) in volumes.used(self.pod).items():
            directory = self.volumes_dir / name
            if kind == "emptyDir":
                if not directory.exists():
                    make_empty(directory, group)
                continue
            try:
                files = volumes.contents(self.pod, kind, source, found, held)
            except KeyError as error:
                raise CannotStart("CreateContainerConfigError", f"volume {name!r}: no key {error}") from error
            if self._written.get(name) != files:
                directory.mkdir(mode=0o755, exist_ok=True)
                write(directory, files, user, group)
                self._written[name] = files

    async def keep_fresh(self) -> None:
        """Follow changed objects, renew tokens; what cannot be had now is tried again."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            with contextlib.suppress(CannotStart):
                await self.synchronise(REFRESH_SECONDS - 1)
