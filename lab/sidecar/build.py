"""Builds istio-sidecar.deb out of lab/sidecar/root, the real Envoy and the agents' Python libraries."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from lab import config, proc
from lab.build import envoy, store

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent / "standins" / "proto" / "ca_service.proto"
PACKAGE = "istio-sidecar.deb"
VERSION = "1.0.5+standin1"
LIBRARIES = "usr/lib/istio-agents"
SETGID = ("usr/local/bin/envoy", "usr/local/bin/pilot-agent")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
# By suffix. The sources begin with what they are; isolated, so that the user's settings of Python do not matter.
INTERPRETERS = {".sh": "#!/bin/bash", "": "#!/usr/bin/python3 -I"}
RECIPE = 2


def sources() -> list[Path]:
    """Every file that decides what the package holds, in a stable order."""
    files = [path for folder in ("root", "debian") for path in (HERE / folder).rglob("*") if path.is_file()]
    return sorted([*files, HERE / "agent-requirements.txt", PROTO])


def inputs(binary: Path) -> dict[str, object]:
    files = {str(path.relative_to(HERE.parent)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sources()}
    made_of = {"recipe": RECIPE, "version": VERSION, "envoy": store.digest(binary), "files": files}
    return made_of | {"python": config.release().python}


def build(binary: Path | None = None) -> Path:
    """The package, from the cache when nothing that goes into it has changed."""
    source = binary or envoy.build()
    return store.entry("sidecar", inputs(source), lambda target: _build(target, source)) / PACKAGE


def publish(package: Path, directory: Path) -> Path:
    """Copy the package and its checksum to where the lab serves files."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / PACKAGE
    checksum = directory / f"{PACKAGE}.sha256"
    line = f"{store.digest(package)}  {PACKAGE}\n"
    if target.exists() and checksum.exists() and checksum.read_text(encoding="utf-8") == line:
        return target
    checksum.unlink(missing_ok=True)
    new = directory / f".{PACKAGE}.new"
    shutil.copyfile(package, new)
    new.replace(target)
    checksum.write_text(line, encoding="utf-8")
    return target


def stage(tree: Path, binary: Path) -> None:
    """The package's files, with their modes but without their owners."""
    shutil.copytree(HERE / "root", tree)
    for path in (tree / "usr/local/bin").iterdir():
        path.write_text(f"{INTERPRETERS[path.suffix]}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    shutil.copyfile(binary, tree / "usr/local/bin/envoy")
    for path in [tree, *tree.rglob("*")]:
        executable = path.is_dir() or path.parent.name == "bin"
        path.chmod(0o755 if executable else 0o644)
    for name in SETGID:
        (tree / name).chmod(0o2755)
    for name in ("var/lib/istio/config", "var/lib/istio/proxy", "var/log/istio"):
        (tree / name).mkdir(parents=True)


def add_libraries(target: Path) -> None:
    """What node_agent imports: wheels for the hosts' Python, and the compiled protocol."""
    target.mkdir(parents=True)
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip = [config.venv_python(), "-m", "pip", "install", "-q", "--no-compile", "--target", str(target), *platforms]
    wheels = ["--python-version", config.release().python, "--implementation", "cp", "--only-binary", ":all:"]
    proc.run([*pip, *wheels, "-r", str(HERE / "agent-requirements.txt")], timeout=600)
    shutil.rmtree(target / "bin", ignore_errors=True)
    protoc = [config.venv_python(), "-m", "grpc_tools.protoc", f"-I{PROTO.parent}"]
    proc.run([*protoc, f"--python_out={target}", f"--grpc_python_out={target}", PROTO.name], timeout=60)


def add_control(tree: Path) -> None:
    control = tree / "DEBIAN"
    control.mkdir()
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    text = (HERE / "debian/control").read_text(encoding="utf-8")
    (control / "control").write_text(text.replace("@VERSION@", VERSION).replace("@SIZE@", str(size)), encoding="utf-8")
    for name, mode in (("conffiles", 0o644), ("postinst", 0o755)):
        shutil.copyfile(HERE / "debian" / name, control / name)
        (control / name).chmod(mode)
    control.chmod(0o755)


def _build(target: Path, binary: Path) -> None:
    tree = target / "tree"
    stage(tree, binary)
    add_libraries(tree / LIBRARIES)
    add_control(tree)
    pack(tree, target / PACKAGE)
    shutil.rmtree(tree)


def pack(tree: Path, package: Path) -> None:
    proc.run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z3", "--build", tree, package], timeout=300)


def main() -> int:
    print(publish(build(), config.www_dir()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
