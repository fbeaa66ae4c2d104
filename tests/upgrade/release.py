"""The collection as it was released before hosts kept one footprint: joins with it must end with today's."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMIT = "7fb764e"
ARCHIVE = HERE / f"mesh-expansion-{COMMIT}.tar.gz"
SHA256 = "a8fcc77e189bc4e7498d02c2d6907ff89cdca565f546ef795a6aac0ff7715a19"


class ReleaseError(Exception):
    """The archive is not what it should be."""


def unpack(folder: Path) -> Path:
    """Unpack the release below a folder, newly; the folder is what ANSIBLE_COLLECTIONS_PATH takes."""
    found = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    if found != SHA256:
        remedy = "restore it from git, or build it as README.md says"
        raise ReleaseError(f"{ARCHIVE} has the SHA-256 {found}, not {SHA256}: {remedy}")
    target = folder / "ansible_collections/mesh/expansion"
    shutil.rmtree(folder, ignore_errors=True)
    target.mkdir(parents=True)
    with tarfile.open(ARCHIVE) as archive:
        # Its sum was checked: nothing in it leads out of the folder.
        archive.extractall(target)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """For ansible-playbook: this release in the place of the checkout. Its dependencies come with `ansible`."""
    return {"ANSIBLE_COLLECTIONS_PATH": os.fspath(folder)}
