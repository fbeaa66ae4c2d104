"""Istio of today, compiled from its Go module: istiod, pilot-agent, istioctl, and the files that a VM's package is made of."""

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
SERVERS = {"pilot-discovery": "images/pilot/usr/local/bin", "istioctl": "bin"}
_COMMANDS = {
    "pilot-discovery": f"{UPSTREAM}/pilot/cmd/pilot-discovery",
    "pilot-agent": f"{UPSTREAM}/pilot/cmd/pilot-agent",
    "istioctl": f"{UPSTREAM}/istioctl/cmd/istioctl",
}
PACKAGING = "tools/packaging"
GATEWAY = "samples/multicluster/expose-services.yaml"


def inputs() -> dict[str, Any]:
    return golang.inputs(MODULE, version=VERSION, packaged=PACKAGED)


def cached() -> bool:
    return store.has("istio", inputs()) and envoy.cached()


def path() -> Path:
    """The finished entry; `build` must have run before."""
    return store.path("istio", inputs())


def build() -> Path:
    return store.entry("istio", inputs(), _build)


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
        for name, directory in SERVERS.items():
            _compile(go, name, VERSION, target / directory)
        for version in PACKAGED:
            _compile(go, "pilot-agent", version, target / "agents" / version)
        source = Path(go("list", "-m", "-f", "{{.Dir}}", UPSTREAM).strip())
        _copy_files(source, target)
        _proxy_image(target)
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
    return path() / "images"


def _proxy_image(target: Path) -> None:
    """proxyv2: the agent and Envoy, where the bootstrap template is looked for; hard links to what is there already."""
    programs = target / "images/proxyv2/usr/local/bin"
    template = target / "images/proxyv2/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"
    for directory in (programs, template.parent):
        directory.mkdir(parents=True)
    (programs / "pilot-agent").hardlink_to(target / "agents" / VERSION / "pilot-agent")
    shutil.copyfile(envoy.build(), programs / "envoy")
    (programs / "envoy").chmod(0o755)
    template.hardlink_to(target / "packaging" / "envoy_bootstrap.json")
