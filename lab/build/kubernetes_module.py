"""Writes the Go module that a version of Kubernetes is compiled from:
`python -m lab.build.kubernetes_module 1.35.2`."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.build import golang, kubernetes, store
from lab.errors import LabError

UPSTREAM = "k8s.io/kubernetes"


def staged(upstream: dict[str, Any]) -> list[str]:
    """Modules that upstream's own go.mod takes from its tree:
    a dependency's replace lines do not count, so ours must name them."""
    replaced = upstream.get("Replace") or []
    return [line["Old"]["Path"] for line in replaced if line["New"]["Path"].startswith("./staging/")]


def render(version: str, upstream: dict[str, Any]) -> str:
    """go.mod before `go mod tidy` has added what is indirect."""
    published = "v0." + version.split(".", 1)[1]
    tools = [f"\t{UPSTREAM}/cmd/{name}" for name in kubernetes.COMPILED]
    replaced = [f"\t{path} => {path} {published}" for path in staged(upstream)]
    blocks = [
        "module mesh.lab/kubernetes",
        f"go {upstream['Go']}",
        "\n".join(["tool (", *tools, ")"]),
        f"require {UPSTREAM} v{version}",
        "\n".join(["replace (", *replaced, ")"]),
    ]
    return "\n\n".join(blocks) + "\n"


def add(version: str, directory: Path) -> None:
    """Make the folder: go.mod and go.sum."""
    if not re.fullmatch(r"1\.\d+\.\d+", version):
        raise LabError(f"{version!r} is no version of Kubernetes; an example: 1.36.3")
    directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place, golang.workspace(golang.Module(directory), Path(place)) as go:
        found = json.loads(go("mod", "download", "-json", f"{UPSTREAM}@v{version}"))
        upstream = json.loads(go("mod", "edit", "-json", found["GoMod"]))
        (directory / "go.mod").write_text(render(version, upstream), encoding="utf-8")
        go("mod", "tidy")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    (version,) = arguments
    directory = kubernetes.MODULES / version
    if directory.exists():
        print(f"{directory} is there already.")
        return 0
    try:
        add(version, directory)
    except LabError as error:
        print(f"kubernetes_module: {error}", file=sys.stderr)
        store.remove_tree(directory)
        return 1
    print(f"Wrote {directory}. Try it: make demo KUBERNETES={version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
