# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The label that says in which network the pods are, on the control plane's namespace and on the gateway's pods.

Both belong to the mesh's owner. What was set here is recorded beside it, so that only that is taken away again.
Pure. Private to the collection.
"""

from __future__ import annotations

import typing as t

from .errors import MeshError
from .exposure.istiod import NETWORK_LABEL

JsonObject = t.Dict[str, t.Any]
RECORD_ANNOTATION = "mesh.expansion/network-label"
NAMESPACE, DEPLOYMENT = "Namespace", "Deployment"


class NetworkLabelError(MeshError):
    """The labels cannot be set; the text is fit for a user."""


class Operation(t.NamedTuple):
    """One merge patch, which counts only for the version that was read."""

    action: str
    kind: str
    name: str
    body: JsonObject
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.action} {self.kind} {self.name}"


def label_of(kind: str, found: JsonObject) -> str:
    """The network that an object names; of a Deployment, that its pods name."""
    metadata = found["metadata"] if kind == NAMESPACE else (found["spec"].get("template") or {}).get("metadata") or {}
    return str((metadata.get("labels") or {}).get(NETWORK_LABEL) or "")


def recorded(found: JsonObject) -> str:
    return str((found["metadata"].get("annotations") or {}).get(RECORD_ANNOTATION) or "")


def selected(deployments: t.Iterable[JsonObject], selector: t.Mapping[str, str]) -> list[JsonObject]:
    """Those whose pods have all these labels."""
    return [
        found
        for found in deployments
        if selector.items()
        <= (((found["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}).items()
    ]


def plan_present(
    network: str, namespace: JsonObject, deployments: t.Sequence[JsonObject], selector: t.Mapping[str, str]
) -> list[Operation]:
    gateways = selected(deployments, selector)
    where = namespace["metadata"]["name"]
    if not gateways:
        wanted = ",".join(f"{key}={value}" for key, value in selector.items())
        raise NetworkLabelError(
            f"No Deployment in namespace {where} has pods with the labels {wanted}, so there is no gateway to label. "
            "Install an east-west gateway, or set mesh_vm_to_pods to false."
        )
    return [
        found
        for kind, item in ((NAMESPACE, namespace), *((DEPLOYMENT, gateway) for gateway in gateways))
        for found in _set(kind, item, network)
    ]


def plan_absent(namespace: JsonObject | None, deployments: t.Sequence[JsonObject]) -> list[Operation]:
    """Take away what is recorded as ours, unless somebody has changed it since."""
    objects = [*([(NAMESPACE, namespace)] if namespace else []), *((DEPLOYMENT, item) for item in deployments)]
    return [
        _operation("unlabel", kind, item, "" if label_of(kind, item) == recorded(item) else label_of(kind, item), "")
        for kind, item in objects
        if recorded(item)
    ]


def _set(kind: str, found: JsonObject, network: str) -> list[Operation]:
    now = label_of(kind, found)
    if now == network:
        return []
    if now and now != recorded(found):
        raise NetworkLabelError(
            f"{kind} {found['metadata']['name']} has the label {NETWORK_LABEL}={now}, and mesh_network is {network!r}. "
            f"Set mesh_network to {now!r}, or leave it out; to rename a network that is in use is for the mesh's owner."
        )
    return [_operation("label", kind, found, network, network)]


def _operation(action: str, kind: str, found: JsonObject, label: str, record: str) -> Operation:
    labels = {"labels": {NETWORK_LABEL: label or None}}
    metadata: JsonObject = {
        "resourceVersion": found["metadata"]["resourceVersion"],
        "annotations": {RECORD_ANNOTATION: record or None},
    }
    body: JsonObject
    if kind == NAMESPACE:
        body = {"metadata": {**metadata, **labels}}
    else:
        body = {"metadata": metadata, "spec": {"template": {"metadata": labels}}}
    return Operation(action, kind, found["metadata"]["name"], body, label_of(kind, found), label)
