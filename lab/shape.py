"""How large a lab is and what it runs: defaults of topology.yml, changes of the command line, the record of a lab."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.debian import RELEASES
from lab.errors import LabError

GENERATIONS = ("citadel", "istiod", "both")
PROXY_MODES = ("iptables", "nftables", "ipvs")
POOLS = {"director": "directors", "node": "nodes", "vm": "vms"}
"""Role of a pool in topology.yml -> name of its number."""
Value = int | str


@dataclass(frozen=True)
class Shape:
    vms: int
    spare: int
    """That many of the VMs, the last ones, are not joined by site.yml."""
    nodes: int
    directors: int
    debian: str
    kubernetes: str
    generation: str
    proxy_mode: str

    @property
    def has_standins(self) -> bool:
        """Of the control plane of Istio 1.0.5."""
        return self.generation in ("citadel", "both")

    @property
    def has_istiod(self) -> bool:
        return self.generation in ("istiod", "both")


FIELDS = tuple(field.name for field in dataclasses.fields(Shape))


def option(name: str) -> str:
    """What a field is called on the command line."""
    return {"generation": "GENERATION", "proxy_mode": "--kube-proxy-mode"}.get(name, f"--{name}")


def default(site: Mapping[str, Any]) -> Shape:
    """The shape that topology.yml describes."""
    counts = {name: site["pools"][role]["count"] for role, name in POOLS.items()}
    return Shape(
        **counts,
        spare=site["pools"]["vm"]["spare"],
        debian=str(site["debian"]),
        kubernetes=site["kubernetes"],
        generation=site["generation"],
        proxy_mode=site["kube_proxy_mode"],
    )


def largest(site: Mapping[str, Any]) -> Shape:
    """The most hosts that a lab can have: where to look for what one has left."""
    counts = {name: site["pools"][role]["most"] for role, name in POOLS.items()}
    return dataclasses.replace(default(site), **counts)


def changed(base: Shape, options: Mapping[str, Value], site: Mapping[str, Any]) -> Shape:
    """The shape with options of the command line, refused when a value is out of its range."""
    shape = dataclasses.replace(base, **options)  # type: ignore[arg-type]
    if "spare" not in options:
        shape = dataclasses.replace(shape, spare=min(shape.spare, max(shape.vms - 1, 0)))
    check(shape, site)
    return shape


def check(shape: Shape, site: Mapping[str, Any]) -> None:
    for role, name in POOLS.items():
        _in_range(name, getattr(shape, name), 1, site["pools"][role]["most"])
    _in_range("spare", shape.spare, 0, shape.vms - 1, f" of {shape.vms} VMs, one at least is not spare")
    for name, allowed in (("generation", GENERATIONS), ("debian", RELEASES), ("proxy_mode", PROXY_MODES)):
        if getattr(shape, name) not in allowed:
            raise LabError(f"{option(name)} {getattr(shape, name)}: choose one of {', '.join(allowed)}")


def _in_range(name: str, value: int, least: int, most: int, why: str = "") -> None:
    if not least <= value <= most:
        raise LabError(f"{option(name)} {value}: choose {least} to {most}{';' if why else ''}{why}")


def grown(running: Shape, options: Mapping[str, Value], site: Mapping[str, Any]) -> Shape:
    """What a lab that is up becomes: VMs may be added, and which of them are spare is the inventory's business."""
    wanted = changed(running, options, site)
    fixed = [name for name in FIELDS if name not in ("vms", "spare")]
    differs = [name for name in fixed if getattr(wanted, name) != getattr(running, name)]
    if wanted.vms < running.vms:
        differs.append("vms")
    if differs:
        words = ", ".join(f"{option(name)} {getattr(running, name)}, not {getattr(wanted, name)}" for name in differs)
        raise LabError(f"this lab has {words}: `lab/lab down` first")
    return wanted


def save(path: Path, shape: Shape) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(dataclasses.asdict(shape), indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> Shape | None:
    """The recorded shape. An unreadable record is as good as a lost one: `down` must work all the same."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Shape(**{name: values[name] for name in FIELDS})
    except (OSError, ValueError, LookupError, TypeError):
        return None
