# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few API resources that the collection touches. Private to the collection."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

# Who we are in metadata.managedFields. An API server also takes it from the User-Agent, for writes that do not name it.
FIELD_MANAGER = "mesh.expansion"


class Resource(t.NamedTuple):
    """One REST resource: where it lives and what it is called in messages and access reviews."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    # A part of each object that has a path of its own.
    subresource: str = ""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def right(self) -> str:
        """As roles name it."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        parts = ["apis", self.group, self.version] if self.group else ["api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts += [name, self.subresource] if self.subresource else [name]
        return "/" + "/".join(quote(part, safe="") for part in parts)

    def describe(self, namespace: str | None = None, name: str | None = None) -> str:
        where = f" in namespace {namespace}" if self.namespaced and namespace else ""
        return f"{self.kind} {name}{where}" if name else f"{self.plural}{where}"


SERVICES = Resource("", "v1", "services", "Service")
SERVICE_STATUS = SERVICES._replace(kind="status of Service", subresource="status")
ENDPOINTS = Resource("", "v1", "endpoints", "Endpoints")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
SERVICE_ACCOUNT_TOKENS = SERVICE_ACCOUNTS._replace(kind="token of ServiceAccount", subresource="token")
PODS = Resource("", "v1", "pods", "Pod")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
WORKLOAD_GROUPS = Resource("networking.istio.io", "v1", "workloadgroups", "WorkloadGroup")
WORKLOAD_ENTRIES = Resource("networking.istio.io", "v1", "workloadentries", "WorkloadEntry")
WORKLOAD_ENTRY_STATUS = WORKLOAD_ENTRIES._replace(kind="status of WorkloadEntry", subresource="status")
PEER_AUTHENTICATIONS = Resource("security.istio.io", "v1", "peerauthentications", "PeerAuthentication")
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io",
    "v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    namespaced=False,
)
