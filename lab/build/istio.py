"""Istio of today, compiled from its Go module:
istiod, pilot-agent, istioctl, and the files that a VM's package is made of."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from lab import proc
from lab.build import envoy, golang, store
from lab.errors import LabError

MODULE = golang.Module(golang.MODULES / "istio")
UPSTREAM = "istio.io/istio"
VERSION = "1.31.0"
"""What istiod and the proxies in pods call themselves; the module is a commit on the way to that release."""
PACKAGED = ("1.29.0", VERSION, "1.32.0")
"""The same pilot-agent with other versions stamped in: two minor versions behind istiod, equal, and ahead of it."""
SERVERS = ("pilot-discovery", "istioctl")
_COMMANDS = {
    "pilot-discovery": f"{UPSTREAM}/pilot/cmd/pilot-discovery",
    "pilot-agent": f"{UPSTREAM}/pilot/cmd/pilot-agent",
    "istioctl": f"{UPSTREAM}/istioctl/cmd/istioctl",
}
PACKAGING = "tools/packaging"
GATEWAY = "samples/multicluster/expose-services.yaml"


def inputs() -> dict[str, Any]:
    return golang.inputs(MODULE, version=VERSION, packaged=PACKAGED)


def _image_inputs() -> dict[str, Any]:
    return {"istio": store.key(inputs()), "envoy": store.key(envoy.inputs()), "recipe": 1}


def cached() -> bool:
    return store.has("istio", inputs()) and store.has("istio-images", _image_inputs())


def path() -> Path:
    """The finished entry; `build` must have run before."""
    return store.path("istio", inputs())


def build() -> Path:
    """The programs, and with them the trees of the images."""
    envoy.build()
    entry = store.entry("istio", inputs(), _build)
    store.entry("istio-images", _image_inputs(), _build_images)
    return entry


def istioctl() -> Path:
    program = path() / "bin" / "istioctl"
    if not program.exists():
        raise LabError(f"{program} does not exist yet: run `lab/lab build istiod`")
    return program


def agent(version: str) -> Path:
    return path() / "agents" / version / "pilot-agent"


def packaging() -> Path:
    """Upstream's packaging files: start script, unit, bootstrap template, sidecar.env, postinst.sh."""
    return path() / "packaging"


def _build(target: Path) -> None:
    with golang.workspace(MODULE, target) as go:
        for name in SERVERS:
            _compile(go, name, VERSION, target / "bin")
        for version in PACKAGED:
            _compile(go, "pilot-agent", version, target / "agents" / version)
        source = Path(go("list", "-m", "-f", "{{.Dir}}", UPSTREAM).strip())
        _copy_files(source, target)
    said = proc.run([target / "agents" / VERSION / "pilot-agent", "version", "--short"]).stdout.strip()
    if said.removeprefix("client version: ") != VERSION:
        raise LabError(f"the compiled pilot-agent says {said!r}, not {VERSION}")


def _compile(go: golang.Go, name: str, version: str, directory: Path) -> None:
    flags = golang.stamp({f"{UPSTREAM}/pkg/version.buildVersion": version})
    command = ("build", "-trimpath", "-ldflags", flags, "-v", "-o", str(directory / name), _COMMANDS[name])
    go(*command, timeout=golang.BUILD_TIMEOUT)


def _copy_files(source: Path, target: Path) -> None:
    """What the module holds besides Go: of use as it is, and never copied into the repository."""
    packaging = target / "packaging"
    packaging.mkdir()
    for file in (*(source / PACKAGING / "common").iterdir(), source / PACKAGING / "postinst.sh", source / GATEWAY):
        shutil.copyfile(file, packaging / file.name)


def images() -> Path:
    """For each image of Istio a tree of what it has beyond Debian (lab/pods/images.yml)."""
    return store.path("istio-images", _image_inputs())


def _build_images(target: Path) -> None:
    """Programs where Istio's images have them, and the bootstrap template where the agent looks for it."""
    places = {
        "pilot/usr/local/bin/pilot-discovery": path() / "bin" / "pilot-discovery",
        "proxyv2/usr/local/bin/pilot-agent": agent(VERSION),
        "proxyv2/usr/local/bin/envoy": envoy.build(),
        "proxyv2/var/lib/istio/envoy/envoy_bootstrap_tmpl.json": packaging() / "envoy_bootstrap.json",
    }
    for place, source in places.items():
        store.copy(source, target / place, 0o755 if "/bin/" in place else 0o644)
