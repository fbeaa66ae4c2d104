"""Content-addressed cache entries that appear complete or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from lab import config


def key(inputs: Mapping[str, object]) -> str:
    """A short name for everything that decides what a build gives."""
    text = json.dumps(inputs, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(file: Path) -> str:
    """The SHA-256 of a file, which may be large."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: Path, target: Path, mode: int) -> None:
    """One file into a tree that is being built."""
    os.makedirs(target.parent, mode=0o755, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def path(kind: str, inputs: Mapping[str, object]) -> Path:
    return config.cache_dir() / kind / key(inputs)


def has(kind: str, inputs: Mapping[str, object]) -> bool:
    return path(kind, inputs).is_dir()


def entry(kind: str, inputs: Mapping[str, object], build: Callable[[Path], None]) -> Path:
    """Return the entry for these inputs; run `build(directory)` first when there is none.

    The build works in a temporary directory beside the entry, which is renamed when it is complete.
    An interrupted build leaves only that directory, which the next one removes.
    """
    final = path(kind, inputs)
    if final.is_dir():
        return final
    final.parent.mkdir(parents=True, exist_ok=True)
    work = final.parent / f".{final.name}.building"
    with open(final.parent / f".{final.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.is_dir():
            return final
        remove_tree(work)
        _remove_abandoned(final.parent)
        work.mkdir()
        build(work)
        (work / "inputs.json").write_text(json.dumps(inputs, indent=1, sort_keys=True, default=str), encoding="utf-8")
        os.rename(work, final)
    return final


def _remove_abandoned(kind: Path) -> None:
    """What killed builds of other entries left: gigabytes that nothing would ever use."""
    for work in kind.glob(".*.building"):
        with open(work.with_suffix(".lock"), "w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody is at it
            remove_tree(work)


def remove_tree(directory: Path) -> None:
    if directory.is_symlink() or directory.is_file():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory)
