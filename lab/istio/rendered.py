"""The objects of istiod and of the east-west gateway, as istioctl renders them from operator.yml."""

from __future__ import annotations

import copy
import functools
import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import proc
from lab.build import istio, store
from lab.config import Topology

Json = dict[str, Any]
OPERATOR = Path(__file__).with_name("operator.yml")
NAMESPACE = "istio-system"
NETWORK = "pod-network"
"""Name of the pods' network; a VM is in another one, for which there is no gateway."""
BESIDE = "1-31"
"""Revision of istiod where the stand-ins of 1.0.5 have the plain names."""
REVISIONS = {"istiod": "", "both": BESIDE}


def service(revision: str) -> str:
    """Name of istiod's Service and Deployment."""
    return f"istiod-{revision}" if revision else "istiod"


def values(site: Topology, revision: str) -> dict[str, str]:
    return {
        "revision": revision,
        "istiod": service(revision),
        "network": NETWORK,
        "version": istio.VERSION,
        "cluster_domain": site.cluster_domain,
    }


def operator(wanted: Mapping[str, str]) -> str:
    return string.Template(OPERATOR.read_text(encoding="utf-8")).substitute(wanted)


def objects(site: Topology, revision: str) -> list[Json]:
    """Everything, in the order of the installer; rendered once for each revision, then from the cache."""
    text = operator(values(site, revision))
    inputs = {"istio": store.key(istio.inputs()), "operator": text, "recipe": 1}
    entry = store.entry("istio-objects", inputs, functools.partial(_render, text))
    found: list[Json] = json.loads((entry / "objects.json").read_text(encoding="utf-8"))
    return found


def _render(text: str, target: Path) -> None:
    wanted = target / "operator.yml"
    wanted.write_text(text, encoding="utf-8")
    said = proc.run([istio.istioctl(), "manifest", "generate", "-f", wanted], env={"KUBECONFIG": "/dev/null"}).stdout
    items = [item for item in yaml.load_all(said, Loader=yaml.CSafeLoader) if item]
    (target / "objects.json").write_text(json.dumps(items), encoding="utf-8")


def placed(items: Sequence[Json], nodes: Sequence[str]) -> list[Json]:
    """Deployments bound to nodes in turn: the lab has no scheduler."""
    result, number = [], 0
    for item in items:
        if item["kind"] == "Deployment":
            item = copy.deepcopy(item)
            item["spec"]["template"]["spec"]["nodeName"] = nodes[number % len(nodes)]
            number += 1
        result.append(item)
    return result


def injected(items: Sequence[Json], revision: str) -> list[Json]:
    """Pods that ask for a sidecar also name the revision that is to give it, when there is one."""
    result = []
    for item in items:
        labels = item.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
        if revision and labels.get("sidecar.istio.io/inject") == "true":
            item = copy.deepcopy(item)
            item["spec"]["template"]["metadata"]["labels"]["istio.io/rev"] = revision
        result.append(item)
    return result
