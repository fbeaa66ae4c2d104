"""The director's disk image: the common root file system plus the modules of Debian's User-Mode Linux kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab import proc
from lab.build import rootfs, store
from lab.errors import LabError

MODULES = Path("/usr/lib/uml/modules")
SIZE = "2G"
_RECIPE = 1


def kernel_version() -> str:
    """Version of the installed kernel modules; they must match /usr/bin/linux.uml, which the same package ships."""
    versions = sorted(entry.name for entry in MODULES.iterdir()) if MODULES.is_dir() else []
    if len(versions) != 1:
        raise LabError(
            f"{MODULES} holds {versions or 'nothing'}, not one kernel version: `lab/lab deps` installs user-mode-linux"
        )
    return versions[0]


def inputs() -> dict[str, Any]:
    return {"rootfs": store.key(rootfs.inputs()), "kernel": kernel_version(), "size": SIZE, "recipe": _RECIPE}


def path() -> Path:
    """The finished image; `build` must have run before."""
    return store.path("director", inputs()) / "disk.img"


def build() -> Path:
    rootfs.build()
    return store.entry("director", inputs(), _build) / "disk.img"


def _build(target: Path) -> None:
    tree = target / "tree"
    # Hard links: no copy of the data, and no mount that an interruption could leave behind.
    proc.run(["cp", "-al", rootfs.path(), tree], timeout=300)
    modules = tree / "usr" / "lib" / "modules"
    modules.mkdir(exist_ok=True)
    proc.run(["cp", "-a", MODULES / kernel_version(), modules], timeout=120)
    proc.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-L", "director", "-d", tree, target / "disk.img", SIZE], timeout=600)
    store.remove_tree(tree)
