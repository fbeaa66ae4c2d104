# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster's API says of an istiod and of a WorkloadGroup. Private to the collection."""

from __future__ import annotations

import contextlib
import typing as t

from ..._kube.client import KubeClient
from ..._kube.errors import KubeError, KubeNotFound
from ..._kube.resources import CONFIGMAPS, SERVICE_ACCOUNTS, WORKLOAD_GROUPS
from . import control_plane as istiod
from .control_plane import ControlPlane
from .errors import BootstrapError, NoGroup
from .group import WorkloadGroup
from .options import Options
from .workload import of_services


def read(client: KubeClient, options: Options) -> tuple[ControlPlane, WorkloadGroup]:
    if options.workload:
        group = of_services(options.workload_group, options.namespace, options.workload)
    else:
        group = read_group(client, options.namespace, options.workload_group)
    return read_control_plane(client, options), group


def read_group(client: KubeClient, namespace: str, name: str) -> WorkloadGroup:
    found = client.get(WORKLOAD_GROUPS, namespace, name)
    if found is not None:
        return WorkloadGroup.parse(found)
    what = WORKLOAD_GROUPS.describe(namespace, name)
    try:
        others = [item["metadata"]["name"] for item in client.list(WORKLOAD_GROUPS, namespace)]
    except KubeNotFound as exc:
        raise BootstrapError(
            f"Cannot read {what}: the cluster has no such resource ({WORKLOAD_GROUPS.api_version}). "
            "Install Istio's definitions (CRDs) of release 1.22 or later."
        ) from exc
    raise NoGroup(
        f"{what} does not exist; there: {', '.join(sorted(others)) or 'none'}. Register the service first "
        "(mesh.expansion.registration makes it), or name another one."
    )


def read_control_plane(client: KubeClient, options: Options) -> ControlPlane:
    namespace, revision = options.istio_namespace, options.revision
    name, injector = istiod.suffixed("istio", revision), istiod.suffixed("istio-sidecar-injector", revision)
    configmap = client.get(CONFIGMAPS, namespace, name)
    others = _revisions(client, namespace) if configmap is None else []
    mesh = istiod.mesh_document(configmap, namespace, name, others)
    istiod.check_trust_domain(mesh, options.trust_domain, namespace, name)
    found = istiod.cluster_name(client.get(CONFIGMAPS, namespace, injector), namespace, injector)
    root = client.get(CONFIGMAPS, options.namespace, istiod.ROOT_CONFIGMAP)
    return ControlPlane(
        namespace=namespace,
        revision=revision,
        mesh=mesh,
        cluster_id=istiod.cluster_id(found, options.cluster_id, namespace, injector),
        root=istiod.root_certificates(root, options.namespace),
    )


def _revisions(client: KubeClient, namespace: str) -> list[str]:
    """ConfigMaps with a mesh document, for a message."""
    with contextlib.suppress(KubeError):
        items: t.Sequence[dict[str, t.Any]] = client.list(CONFIGMAPS, namespace)
        return sorted(item["metadata"]["name"] for item in items if istiod.MESH_KEY in (item.get("data") or {}))
    return []


def account_uid(client: KubeClient, namespace: str, account: str) -> str | None:
    """By which a token of an account that was made anew is told from one of today; None without the account."""
    found = client.get_metadata(SERVICE_ACCOUNTS, namespace, account)
    return None if found is None else str(found["metadata"]["uid"])
