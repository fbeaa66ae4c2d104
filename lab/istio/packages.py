"""istio-sidecar.deb in today's layout: a real pilot-agent and the plain Envoy, upstream's script, unit and template.

Upstream's package is made by fpm from the same files (tools/packaging/packaging.mk).
Each version holds the same programs; only what pilot-agent calls itself differs.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lab import aptrepo
from lab.build import envoy, istio, store
from lab.sidecar.build import pack

PLACES = {
    "istio-start.sh": ("usr/local/bin/istio-start.sh", 0o755),
    "istio.service": ("lib/systemd/system/istio.service", 0o644),
    "sidecar.env": ("var/lib/istio/envoy/sidecar.env", 0o644),
    "envoy_bootstrap.json": ("var/lib/istio/envoy/envoy_bootstrap_tmpl.json", 0o644),
}
CONTROL = """Package: istio-sidecar
Version: {version}
Architecture: amd64
Maintainer: mesh.expansion contributors <mesh-expansion@localhost>
Installed-Size: {size}
Depends: iproute2, iptables, sudo
Section: net
Priority: optional
Description: Istio sidecar for a machine outside of the cluster
 pilot-agent compiled from Istio's Go module with version {version} stamped in, the
 plain Envoy, and upstream's start script, unit and bootstrap template.
"""


def inputs() -> dict[str, Any]:
    made_of = {"istio": store.key(istio.inputs()), "envoy": store.key(envoy.inputs())}
    return made_of | {"control": CONTROL, "places": PLACES, "recipe": 1}


def cached() -> bool:
    return istio.cached() and store.has("istio-packages", inputs())


def file_name(version: str) -> str:
    return f"istio-sidecar_{version}_amd64.deb"


def build() -> Path:
    """A flat package repository; each package also has a file with its checksum beside it."""
    return store.entry("istio-packages", inputs(), _build) / "repository"


def _build(target: Path) -> None:
    repository = target / "repository"
    repository.mkdir()
    for version in istio.PACKAGED:
        tree = target / "tree"
        _stage(tree, version)
        package = repository / file_name(version)
        pack(tree, package)
        shutil.rmtree(tree)
        package.with_suffix(".deb.sha256").write_text(f"{store.digest(package)}  {package.name}\n", encoding="utf-8")
    aptrepo.write_index(repository)


def _stage(tree: Path, version: str) -> None:
    """The package's files. Modes of the programs are upstream's postinst's business, as upstream has it."""
    for name, (place, mode) in PLACES.items():
        store.copy(istio.packaging() / name, tree / place, mode)
    store.copy(istio.agent(version), tree / "usr/local/bin/pilot-agent", 0o755)
    store.copy(envoy.build(), tree / "usr/local/bin/envoy", 0o755)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    control = tree / "DEBIAN"
    store.copy(istio.packaging() / "postinst.sh", control / "postinst", 0o755)
    (control / "control").write_text(CONTROL.format(version=version, size=size), encoding="utf-8")
