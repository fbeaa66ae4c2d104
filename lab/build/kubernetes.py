"""Kubernetes: servers compiled from Debian's source package, kubectl and etcd from Debian's packages."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import config, proc
from lab.build import apt, store
from lab.errors import LabError

VERSION = "1.20.2"
COMPILED = ("kube-apiserver", "kube-controller-manager", "kube-proxy")
PACKAGED = {"kubectl": "kubernetes-client", "etcd": "etcd-server"}
BINARIES = (*COMPILED, *PACKAGED)
GO = Path("/usr/lib/go-1.19")
ENVTEST = ("kube-apiserver", "etcd", "kubectl")
"""What a KUBEBUILDER_ASSETS directory holds by convention."""

_SERVERS = {"what": "servers", "version": VERSION, "binaries": COMPILED, "recipe": 1}
_PACKAGES = {"what": "packages", "binaries": PACKAGED, "recipe": 1}


def assets() -> Path | None:
    """KUBEBUILDER_ASSETS, when it is set; it must then be complete."""
    value = os.environ.get("KUBEBUILDER_ASSETS")
    if not value:
        return None
    missing = [name for name in BINARIES if not os.access(Path(value) / name, os.X_OK)]
    return None if missing else Path(value)


def cached() -> bool:
    return assets() is not None or (store.has("kubernetes", _SERVERS) and store.has("kubernetes", _PACKAGES))


def build() -> dict[str, Path]:
    """Paths of all binaries by name; compiles or downloads what is missing."""
    ready = assets()
    if ready:
        return {name: ready / name for name in BINARIES}
    servers = store.entry("kubernetes", _SERVERS, _build_servers)
    packages = store.entry("kubernetes", _PACKAGES, _unpack_packages)
    return {name: (servers if name in COMPILED else packages) / name for name in BINARIES}


def binary(name: str) -> Path:
    """Path of one binary; `build` must have run before."""
    ready = assets()
    entry = store.path("kubernetes", _SERVERS if name in COMPILED else _PACKAGES)
    path = (ready or entry) / name
    if not path.exists():
        raise LabError(f"{path} does not exist yet: run `lab/lab build`")
    return path


def _unpack_packages(target: Path) -> None:
    system = apt.scratch(target / "apt")
    for name, package in PACKAGED.items():
        system.unpack(package, target / "files")
        shutil.copy2(target / "files" / "usr" / "bin" / name, target / name)
    for leftover in ("apt", "files"):
        store.remove_tree(target / leftover)


def _build_servers(target: Path) -> None:
    work = config.cache_dir() / "kubernetes" / "work"
    source = _source(work)
    gopath = work / "gopath"
    link = gopath / "src" / "k8s.io" / "kubernetes"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(source)
    env = {
        "GO111MODULE": "off",
        "GOPATH": str(gopath),
        "GOCACHE": str(work / "gocache"),
        "GOFLAGS": "",
        "CGO_ENABLED": "0",
        "PATH": f"{GO}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    generated = work / "generated"
    if not generated.exists():
        proc.run(["make", "generated_files"], cwd=link, env=env | {"PWD": str(link)}, timeout=1800)
        generated.touch()
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in COMPILED]
    stamp = f"-X k8s.io/component-base/version.gitVersion=v{VERSION}"
    major = "-X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=20"
    flags = f"-s -w {' '.join(_vendored(word) for word in (stamp, major))}"
    proc.run(
        ["go", "build", "-ldflags", flags, "-o", f"{target}/", *packages], cwd=link, env=env | {"PWD": str(link)}, timeout=3600
    )
    said = proc.run([target / "kube-apiserver", "--version"]).stdout
    if f"v{VERSION}" not in said:
        raise LabError(f"the compiled kube-apiserver says {said.strip()!r}, not v{VERSION}")
    proc.run(["chmod", "-R", "u+w", work])
    store.remove_tree(work)


def _vendored(flags: str) -> str:
    """Version variables live in vendored packages when built in GOPATH mode."""
    return flags.replace("k8s.io/component-base", "k8s.io/kubernetes/vendor/k8s.io/component-base")


def _source(work: Path) -> Path:
    """Download and unpack the source package; kept until the build has succeeded."""
    tree = work / "kubernetes"
    if tree.is_dir():
        return tree
    store.remove_tree(work)
    system = apt.scratch(work / "apt", types="deb-src")
    system.get("source", "--download-only", "kubernetes", cwd=work)
    (description,) = work.glob("kubernetes_*.dsc")
    upstream = description.name.removeprefix("kubernetes_").split("really")[-1].split("-")[0]  # "1.20.5+really1.20.2-1.1"
    if upstream != VERSION:
        raise LabError(
            f"the mirrors have {description.name}, the lab needs Kubernetes {VERSION} (Debian 12): "
            f"set KUBEBUILDER_ASSETS to a directory with {', '.join(BINARIES)}"
        )
    proc.run(["dpkg-source", "--no-check", "-x", description.name, "unpacking"], cwd=work, timeout=600)
    (work / "unpacking").rename(tree)
    return tree
