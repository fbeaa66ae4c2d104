"""The small library that lets User-Mode Linux run on processors with a large register state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab import config, proc
from lab.build import store


def _source() -> Path:
    return config.repo_root() / "lab" / "hosts" / "uml_xstate.c"


def inputs() -> dict[str, Any]:
    return {"source": _source().read_text(encoding="utf-8"), "recipe": 1}


def path() -> Path:
    """The finished library; `build` must have run before."""
    return store.path("uml-shim", inputs()) / "uml_xstate.so"


def build() -> Path:
    return store.entry("uml-shim", inputs(), _build) / "uml_xstate.so"


def _build(target: Path) -> None:
    proc.run(["gcc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", target / "uml_xstate.so", _source(), "-ldl"])
