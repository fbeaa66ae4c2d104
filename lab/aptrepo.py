"""The lab's package repository: packages that roles install, with dependencies that the hosts do not have yet."""

from __future__ import annotations

import gzip
import hashlib
from email.utils import formatdate
from pathlib import Path
from typing import Any

from lab import config, proc
from lab.build import apt, rootfs, store


def inputs() -> dict[str, Any]:
    return {"rootfs": store.key(rootfs.inputs()), "available": rootfs.packages()["available"], "recipe": 1}


def build() -> Path:
    """Directory with the packages and their index (a flat repository)."""
    rootfs.build()
    return store.entry("aptrepo", inputs(), _build) / "debian"


def _build(target: Path) -> None:
    status = target / "status"
    # A copy: apt must take the hosts' packages as installed, and may not write beside their database.
    status.write_bytes((rootfs.path() / "var/lib/dpkg/status").read_bytes())
    system = apt.scratch(target / "apt", status, config.release().codename)
    for package in rootfs.packages()["available"]:
        # One by one, because some of them exclude each other.
        system.get("install", "--yes", "--download-only", package)
    repository = target / "debian"
    repository.mkdir()
    for deb in (target / "apt" / "archives").glob("*.deb"):
        deb.rename(repository / deb.name.replace("%3a", ":"))
    write_index(repository)
    store.remove_tree(target / "apt")


def write_index(repository: Path) -> None:
    """Packages, Packages.gz and Release of a flat repository."""
    packages = proc.run(["dpkg-scanpackages", "--multiversion", "."], cwd=repository, timeout=300).stdout.encode()
    (repository / "Packages").write_bytes(packages)
    (repository / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    (repository / "Release").write_text(release_text(repository), encoding="utf-8")


def release_text(repository: Path) -> str:
    """A Release file over the index files, so that apt notices a changed index."""
    lines = ["Origin: mesh-lab", "Label: mesh-lab", f"Date: {formatdate(usegmt=True)}", "SHA256:"]
    for name in ("Packages", "Packages.gz"):
        content = (repository / name).read_bytes()
        lines.append(f" {hashlib.sha256(content).hexdigest()} {len(content)} {name}")
    return "\n".join(lines) + "\n"
