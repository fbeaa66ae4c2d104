"""What joining changed on the lab's hosts and in its API: the state after it without the state before it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lab_state
from kubernetes import client

HERE = Path(__file__).resolve().parent
RECORDED = HERE / "recorded"
API = "api"
Json = dict[str, Any]
# Of host_state.py: what the parts below tell in more detail is left out.
COMMON = ("packages", "addresses", "sysctls")
# Set by Kubernetes, by a clock, or by an allocation.
UNSTABLE = frozenset({"deployment.kubernetes.io/revision", "endpoints.kubernetes.io/last-change-trigger-time"})
# The value is a resourceVersion, or made of one.
COUNTED = frozenset({"mesh.expansion/mesh-settings-edit"})
FINGERPRINT = "mesh.expansion/mesh-settings"
ALLOCATED = ("clusterIP", "clusterIPs")


def host(name: str) -> Json:
    """All of a host's state that joining could change."""
    printed = lab_state.must(name, "python3 -", (HERE / "host_files.py").read_text(encoding="utf-8"))
    common = lab_state.host_state(name)
    # systemd starts and ends these as sessions come and go.
    state: Json = json.loads(printed)
    return {part: common[part] for part in COMMON} | state


def api() -> Json:
    """Objects that the collection could write, by kind and name; Secrets by name only."""
    connection = lab_state.api()
    plain = connection.sanitize_for_serialization
    core, apps = client.CoreV1Api(connection), client.AppsV1Api(connection)
    services: list[Any] = core.list_service_for_all_namespaces().items
    # Endpoints of a Service with a selector follow the pods.
    followed = {lab_state.key(item) for item in services if item.spec.selector}
    endpoints: list[Any] = core.list_endpoints_for_all_namespaces().items
    free = [item for item in endpoints if lab_state.key(item) not in followed]
    kinds: dict[str, list[Any]] = {
        "Service": services,
        "Endpoints": free,
        "ConfigMap": core.list_config_map_for_all_namespaces().items,
        "Deployment": apps.list_deployment_for_all_namespaces().items,
    }
    state = {f"{kind} {lab_state.key(item)}": readable(plain(item)) for kind, items in kinds.items() for item in items}
    secrets = sorted(lab_state.key(item) for item in core.list_secret_for_all_namespaces().items)
    return {"objects": state, "secrets": secrets}


def readable(item: Json) -> Json:
    """An object without what differs from run to run."""
    metadata = item.get("metadata", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    stable = {name: value for name, value in annotations.items() if name not in UNSTABLE}
    stable |= dict.fromkeys(COUNTED & stable.keys(), "a resourceVersion")
    found: Json = {"labels": labels, "annotations": stable}
    for part in ("spec", "subsets", "data"):
        if part in item:
            found[part] = item[part]
    if isinstance(found.get("spec"), dict):
        found["spec"] = {name: _allocated(name, value) for name, value in found["spec"].items()}
        of_pods = found["spec"].get("template", {}).get("metadata", {}).get("annotations") or {}
        if FINGERPRINT in of_pods:
            of_pods[FINGERPRINT] = "a fingerprint"
    return {part: value for part, value in found.items() if value not in ({}, [], None)}


def _allocated(name: str, value: Any) -> Any:
    return "allocated" if name in ALLOCATED and value not in ("None", ["None"]) else value


def current() -> Json:
    """State of every host of the lab and of its API, by name."""
    names = sorted(lab_state.addresses())
    lab_state.ssh_config()
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(host, names), strict=True)) | {API: api()}


def difference(before: Json, after: Json) -> Json:
    """What came, what went, and what changed (as it is afterwards), by host and part; without parts that are alike."""
    return {name: _parts(before[name], after[name]) for name in sorted(after)}


def _parts(before: Json, after: Json) -> Json:
    found = {part: _part(before[part], after[part]) for part in sorted(after)}
    return {part: value for part, value in found.items() if value}


def _part(before: Any, after: Any) -> Json:
    if isinstance(after, Mapping):
        result: Json = {
            "added": {key: after[key] for key in sorted(after) if key not in before},
            "removed": sorted(key for key in before if key not in after),
            "changed": {key: after[key] for key in sorted(after) if key in before and before[key] != after[key]},
        }
    else:
        result = {
            "added": [item for item in after if item not in before],
            "removed": [item for item in before if item not in after],
        }
    return {name: value for name, value in result.items() if value}


def text(footprint: Any) -> str:
    return json.dumps(footprint, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def save(footprint: Json) -> None:
    RECORDED.mkdir(exist_ok=True)
    for name, parts in footprint.items():
        (RECORDED / f"{name}.json").write_text(text(parts), encoding="utf-8")


def recorded() -> Json:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("*.json"))}


def deviations(wanted: Json, found: Json) -> list[str]:
    """Lines of a comparison, each with the host's name; none when both are alike."""
    lines = []
    for name in sorted(wanted | found):
        old, new = (text(side.get(name)).splitlines() for side in (wanted, found))
        lines += [f"{name}: {line}" for line in difflib.unified_diff(old, new, "wanted", "found", lineterm="", n=4)]
    return lines
