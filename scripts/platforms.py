"""`make platforms`: what README.md claims beyond this machine's Python and Debian 12; arguments name what to run.

`control`: sanity, unit tests and the demonstration on the newest ansible-core, in a second Python environment.
`debian-13`: the demonstrations with it as the root file system of all hosts of the lab.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import junit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lab import config  # noqa: E402 - found through the path above

NEEDED = (3, 12)
"""The oldest Python that ansible-core of today takes on a control node."""
NEWEST = ("3.14", "3.13", "3.12")
SAY_VERSIONS = """
import json, platform
from importlib import metadata
base = metadata.distribution("ansible").locate_file("ansible_collections")
names = {name: json.loads((base / name / "MANIFEST.json").read_text())["collection_info"]["version"]
         for name in ("ansible/utils", "community/general")}
print("Python", platform.python_version(), "ansible-core", metadata.version("ansible-core"),
      *(f"{name.replace('/', '.')} {version}" for name, version in names.items()))
"""


class PlatformError(Exception):
    """Something that the machine lacks."""


@dataclass(frozen=True)
class Part:
    """A make target, and with which variables."""

    target: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([f"make {self.target}", *(f"{name}={value}" for name, value in self.variables.items())])


CONTROL = "control"
PLATFORMS = {
    CONTROL: (Part("sanity"), Part("unit"), Part("demo")),
    "debian-13": (Part("demo", {"DEBIAN": "13"}), Part("demo", {"DEBIAN": "13", "GENERATION": "istiod"})),
}


def candidates() -> Iterator[str]:
    """Where a newer Python may be: named, in the path, or among pyenv's."""
    if named := os.environ.get("PYTHON"):
        yield named
    yield from (f"python{version}" for version in NEWEST)
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in NEWEST:
        yield from map(str, sorted(versions.glob(f"{version}.*/bin/python3"), reverse=True))


def usable(python: str) -> bool:
    check = f"import ensurepip, sys, venv; sys.exit(sys.version_info < {NEEDED})"
    try:
        return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def newer_python() -> str:
    for python in candidates():
        if usable(python):
            return python
    needed = ".".join(map(str, NEEDED))
    raise PlatformError(
        f"no Python {needed} or later with ensurepip and venv was found ($PYTHON, {', '.join(NEWEST)} in PATH or in "
        "~/.pyenv), and ansible-core of today needs one. Name one: make platforms PYTHON=/path/python3. Without any, "
        "make bare DEBIAN=13 TARGETS='sanity unit' does this part of it in a container."
    )


def venv(platform: str) -> Path:
    return config.cache_dir() / "venv-newest" if platform == CONTROL else config.venv()


def environment(platform: str) -> dict[str, str]:
    """What make is given for a platform."""
    given = os.environ | {"MESH_EXPANSION_VENV": str(venv(platform))}
    return given | {"PYTHON": newer_python()} if platform == CONTROL else given


def run(platform: str) -> list[junit.Check]:
    """All parts of a platform; a lab that a part leaves is taken down by the next one."""
    try:
        given = environment(platform)
    except PlatformError as error:
        print(f"platforms: {error}", file=sys.stderr)
        return [junit.Check(platform, 0, ok=False, output=str(error))]
    checks = []
    for part in PLATFORMS[platform]:
        print(f"\n==== platforms: {platform}: {part} ====", flush=True)
        start = time.monotonic()
        variables = [f"{name}={value}" for name, value in part.variables.items()]
        command = ["make", "--no-print-directory", part.target, *variables]
        status = subprocess.run(command, cwd=ROOT, env=given, stdin=subprocess.DEVNULL, check=False).returncode
        said = f"exit status {status}"
        checks.append(junit.Check(f"{platform}: {part}", time.monotonic() - start, ok=status == 0, output=said))
    return checks


def versions(platform: str) -> str:
    """What a platform's control node has."""
    python = venv(platform) / "bin/python"
    if not python.exists():
        return "no Python environment"
    return subprocess.run([python, "-c", SAY_VERSIONS], capture_output=True, text=True, check=True).stdout.strip()


def main(names: Sequence[str]) -> int:
    if unknown := sorted(set(names) - set(PLATFORMS)):
        sys.exit(f"platforms: none is called {', '.join(unknown)}; there are {', '.join(PLATFORMS)}")
    chosen = [platform for platform in PLATFORMS if platform in names or not names]
    checks = {platform: run(platform) for platform in chosen}
    subprocess.run(["lab/lab", "down"], cwd=ROOT, check=False)
    flat = [check for platform in chosen for check in checks[platform]]
    results = ROOT / "build/results/platforms/platforms.xml"
    junit.write(results, "platforms", flat)
    print("\n==== platforms ====")
    for platform in chosen:
        print(f"{platform}: {versions(platform)}")
        for check in checks[platform]:
            print(f"{'ok    ' if check.ok else 'FAILED'} {check.name:50} {check.seconds:5.0f} s")
    print(f"platforms: {junit.count([results])}")
    return 0 if all(check.ok for check in flat) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
