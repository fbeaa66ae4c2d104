"""Kubernetes and etcd, compiled from their Go modules in lab/go."""

from __future__ import annotations

import os
import re
from pathlib import Path

from lab import proc
from lab.build import golang, store
from lab.errors import LabError

MODULES = golang.MODULES / "kubernetes"
"""One folder for each version that a run covered."""
COMPILED = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl")
BINARIES = (*COMPILED, "etcd")
ETCD = golang.Module(golang.MODULES / "etcd")
_VERSION = "k8s.io/component-base/version"


def versions() -> list[str]:
    """The versions that can be chosen, the oldest first."""
    found = [path.name for path in MODULES.iterdir() if (path / "go.mod").is_file()]
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")])


def check(version: str) -> None:
    """Refuse a version without a folder."""
    if version not in versions():
        raise LabError(
            f"Kubernetes {version}: no folder lab/go/kubernetes/{version}; there are {', '.join(versions())}; "
            f"to add it: make kubernetes-version VERSION={version}"
        )


def minor(version: str) -> tuple[int, int]:
    """1.36.3 -> (1, 36)."""
    major, second, *_rest = version.split(".")
    return int(major), int(second)


def assets() -> Path | None:
    """KUBEBUILDER_ASSETS (the convention of envtest), when it names a directory with all programs."""
    value = os.environ.get("KUBEBUILDER_ASSETS")
    if not value:
        return None
    missing = [name for name in BINARIES if not os.access(Path(value) / name, os.X_OK)]
    return None if missing else Path(value)


def said_version(kube_apiserver: Path) -> str:
    """What a kube-apiserver says that it is: 1.36.3."""
    said = proc.run([kube_apiserver, "--version"]).stdout
    found = re.search(r"\bv(\d+\.\d+\.\d+)", said)
    if found is None:
        raise LabError(f"{kube_apiserver} --version says {said.strip()!r}, which names no version")
    return found[1]


def _servers(version: str) -> tuple[golang.Module, dict[str, object]]:
    check(version)
    module = golang.Module(MODULES / version)
    return module, golang.inputs(module, version=version)


def cached(version: str) -> bool:
    return assets() is not None or (
        store.has("kubernetes", _servers(version)[1]) and store.has("etcd", golang.inputs(ETCD))
    )


def build(version: str) -> dict[str, Path]:
    """Paths of all programs by name; compiles what is missing."""
    ready = assets()
    if ready:
        return {name: ready / name for name in BINARIES}
    module, inputs = _servers(version)
    etcd = store.entry("etcd", golang.inputs(ETCD), _build_etcd)
    servers = store.entry("kubernetes", inputs, lambda target: _build_servers(module, version, target))
    return {name: (servers if name in COMPILED else etcd) / name for name in BINARIES}


def binary(name: str, version: str) -> Path:
    """Path of one program; `build` must have run before."""
    entry = (
        store.path("kubernetes", _servers(version)[1]) if name in COMPILED else store.path("etcd", golang.inputs(ETCD))
    )
    path = (assets() or entry) / name
    if not path.exists():
        raise LabError(f"{path} does not exist yet: run `lab/lab build`")
    return path


def _build_etcd(target: Path) -> None:
    with golang.workspace(ETCD, target) as go:
        flags = ("-trimpath", "-ldflags", golang.stamp({}), "-v", "-o", str(target / "etcd"))
        go("build", *flags, "go.etcd.io/etcd/server/v3", timeout=golang.BUILD_TIMEOUT)


def _build_servers(module: golang.Module, version: str, target: Path) -> None:
    major, second = minor(version)
    # Without these it calls itself v0.0.0-master+$Format:%H$, which clients cannot parse.
    values = {"gitVersion": f"v{version}", "gitMajor": str(major), "gitMinor": str(second)}
    flags = golang.stamp({f"{_VERSION}.{name}": value for name, value in values.items()})
    with golang.workspace(module, target) as go:
        go("build", "-trimpath", "-ldflags", flags, "-v", "-o", f"{target}/", "tool", timeout=golang.BUILD_TIMEOUT)
    said = said_version(target / "kube-apiserver")
    if said != version:
        raise LabError(f"the compiled kube-apiserver says {said}, not {version}")
