# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an istiod of the cluster says of itself: its mesh document, its name for the cluster, its root certificates.

Pure. Private to the collection.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ..settings import yaml_text
from .errors import BootstrapError

PORT = 15012
ROOT_CONFIGMAP, ROOT_KEY = "istio-ca-root-cert", "root-cert.pem"
MESH_KEY, VALUES_KEY = "mesh", "values"
# What istiod itself takes where nothing is said.
DEFAULT_CLUSTER, DEFAULT_TRUST_DOMAIN = "Kubernetes", "cluster.local"
DEFAULT_NAMESPACE = "istio-system"

ConfigMap = t.Mapping[str, t.Any]
_SNAKE = re.compile(r"_([a-z0-9])")


@dataclasses.dataclass(frozen=True)
class ControlPlane:
    namespace: str
    # Empty without one.
    revision: str
    mesh: t.Mapping[str, t.Any]
    cluster_id: str
    # PEM; several certificates while a root is being replaced.
    root: str

    @property
    def host(self) -> str:
        return host(self.revision, self.namespace)

    @property
    def address(self) -> str:
        return f"{self.host}:{PORT}"

    @property
    def is_elsewhere(self) -> bool:
        """Whether a sidecar that is told no address would look for istiod in the wrong place."""
        return bool(self.revision) or self.namespace != DEFAULT_NAMESPACE

    @property
    def trust_domain(self) -> str:
        """As the mesh document has it, possibly empty."""
        return str(self.mesh.get("trustDomain", ""))


def host(revision: str, namespace: str) -> str:
    """istiod's name, as a sidecar calls it."""
    return f"{suffixed('istiod', plain(revision))}.{namespace}.svc"


def plain(revision: str) -> str:
    """The revision called default has the names of an istiod without one."""
    return "" if revision == "default" else revision


def suffixed(name: str, revision: str) -> str:
    return f"{name}-{revision}" if revision else name


def mesh_document(
    configmap: ConfigMap | None, namespace: str, name: str, others: t.Sequence[str] = ()
) -> dict[str, t.Any]:
    """The mesh document of a ConfigMap; ``others`` are ConfigMaps of other revisions, for a message that helps."""
    where = f"ConfigMap {namespace}/{name}"
    if configmap is None:
        there = f" There is {', '.join(others)}: set revision to what follows istio-." if others else ""
        raise BootstrapError(
            f"{where} does not exist, so there is no istiod of this revision in that namespace.{there} "
            "Check istio_namespace and revision, or install Istio."
        )
    text = _entry(configmap, where, MESH_KEY)
    try:
        return camel(yaml_text.load(text))
    except yaml_text.YamlEditError as exc:
        raise BootstrapError(f"{where}, key {MESH_KEY}: the mesh document {exc}. Repair it, then run again.") from exc


def cluster_name(configmap: ConfigMap | None, namespace: str, name: str) -> str | None:
    """istiod's name of its cluster, out of the values of its installation. None: they are not there."""
    if configmap is None:
        return None
    where = f"ConfigMap {namespace}/{name}"
    try:
        values = json.loads(_entry(configmap, where, VALUES_KEY))
    except ValueError as exc:
        raise BootstrapError(f"{where}, key {VALUES_KEY}: it is not JSON ({exc}). Install Istio again.") from exc
    for part in ("global", "multiCluster", "clusterName"):
        values = values.get(part) if isinstance(values, dict) else None
    return str(values) if values else DEFAULT_CLUSTER


def cluster_id(found: str | None, wanted: str, namespace: str, name: str) -> str:
    """The name of the cluster that both sides agree on."""
    where = f"ConfigMap {namespace}/{name}"
    if found is None and not wanted:
        raise BootstrapError(
            f"{where} does not exist, so istiod's name of this cluster is not known. Set cluster_id to it "
            "(the variable CLUSTER_ID of istiod's Deployment)."
        )
    if found and wanted and wanted != found:
        raise BootstrapError(
            f"cluster_id is {wanted!r}, but istiod is of {found!r} ({where}, global.multiCluster.clusterName), and it "
            f"refuses VMs of another cluster. Set it to {found!r}, or leave it out."
        )
    return wanted or str(found)


def check_trust_domain(mesh: t.Mapping[str, t.Any], wanted: str, namespace: str, name: str) -> None:
    actual = mesh.get("trustDomain") or DEFAULT_TRUST_DOMAIN
    if wanted and wanted != actual:
        raise BootstrapError(
            f"trust_domain is {wanted!r}, but istiod's is {actual!r} (ConfigMap {namespace}/{name}, key {MESH_KEY}), "
            f"and the names in its certificates begin with that. Set it to {actual!r} (mesh_trust_domain)."
        )


def root_certificates(configmap: ConfigMap | None, namespace: str) -> str:
    where = f"ConfigMap {namespace}/{ROOT_CONFIGMAP}"
    if configmap is None:
        raise BootstrapError(
            f"{where} does not exist: istiod writes it into every namespace that it serves. Check that the namespace "
            "exists, and that istiod runs and is meant for it (discoverySelectors)."
        )
    return _entry(configmap, where, ROOT_KEY)


def _entry(configmap: ConfigMap, where: str, key: str) -> str:
    data = configmap.get("data") or {}
    if not data.get(key):
        raise BootstrapError(f"{where} has no key {key}; its keys: {', '.join(sorted(data)) or 'none'}. Repair it.")
    return str(data[key])


def camel(fields: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Names as Istio writes them, whose readers take snake_case as well; null means not there."""
    named = {}
    for name, value in fields.items():
        written = _SNAKE.sub(lambda found: found.group(1).upper(), str(name))
        if value is not None and (written == name or written not in fields):
            named[written] = value
    return named
