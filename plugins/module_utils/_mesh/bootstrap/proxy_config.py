# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a VM's proxy: the mesh's, with what a WorkloadGroup and the options say. Pure.

Private to the collection.
"""

from __future__ import annotations

import json
import typing as t

from ..settings import yaml_text
from .control_plane import MESH_KEY, ControlPlane, camel, suffixed
from .errors import BootstrapError
from .group import PROXY_CONFIG, WorkloadGroup
from .options import Options

Config = dict[str, t.Any]


def default_config(control_plane: ControlPlane, group: WorkloadGroup, options: Options) -> Config:
    """What the agent reads as C(defaultConfig)."""
    where = f"ConfigMap {control_plane.namespace}/{suffixed('istio', control_plane.revision)}, key {MESH_KEY}"
    given = control_plane.mesh.get("defaultConfig", {})
    if not isinstance(given, dict):
        raise BootstrapError(f"{where}: defaultConfig is {given!r}, not a mapping. Repair it, then run again.")
    config = camel(given)
    metadata = _metadata(config, where)
    if control_plane.is_elsewhere and not config.get("discoveryAddress"):
        config["discoveryAddress"] = control_plane.address
    for place, text in group.proxy_configs:
        override = _annotation(text, f"{group}, {PROXY_CONFIG} in {place}")
        metadata.update(_metadata(override, f"{group}, {PROXY_CONFIG} in {place}"))
        config.update(override)
    # The probe is the WorkloadGroup's alone.
    config.pop("readinessProbe", None)
    if group.probe is not None:
        config["readinessProbe"] = without_zeros(group.probe)
    metadata.update(_of_workload(control_plane, group, options, str(config.get("meshId", ""))))
    config["proxyMetadata"] = metadata
    return config


def _annotation(text: str, where: str) -> Config:
    try:
        return camel(yaml_text.load(text))
    except yaml_text.YamlEditError as exc:
        raise BootstrapError(f"{where}: the proxy's configuration {exc}. Repair the annotation, run again.") from exc


def _metadata(config: Config, where: str) -> dict[str, str]:
    found = config.get("proxyMetadata", {})
    if not isinstance(found, dict):
        raise BootstrapError(f"{where}: proxyMetadata is {found!r}, not a mapping. Repair it, then run again.")
    for key, value in found.items():
        if not isinstance(value, str):
            raise BootstrapError(
                f"{where}: proxyMetadata.{key} is {value!r}, which is no text to Istio either. Put it in quotes there."
            )
    return dict(found)


def _of_workload(control_plane: ControlPlane, group: WorkloadGroup, options: Options, mesh_id: str) -> dict[str, str]:
    """What istiod is to know of the proxy."""
    found = {
        "CANONICAL_SERVICE": group.canonical_name,
        "CANONICAL_REVISION": group.canonical_revision,
        "POD_NAMESPACE": group.namespace,
        "SERVICE_ACCOUNT": group.service_account,
        "TRUST_DOMAIN": control_plane.trust_domain,
        "ISTIO_META_CLUSTER_ID": control_plane.cluster_id,
        "ISTIO_META_MESH_ID": mesh_id,
        "ISTIO_META_NETWORK": group.network,
        "ISTIO_META_WORKLOAD_NAME": group.name,
        "ISTIO_METAJSON_LABELS": _json(dict(sorted(group.all_labels().items()))),
    }
    if group.ports:
        ports = [{"name": name, "containerPort": port, "protocol": ""} for name, port in sorted(group.ports.items())]
        found["ISTIO_META_POD_PORTS"] = _json(ports)
    if options.dns_capture:
        found["ISTIO_META_DNS_CAPTURE"] = "true"
    if options.auto_register:
        found["ISTIO_META_AUTO_REGISTER_GROUP"] = group.name
    return found


def _json(value: t.Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def without_zeros(value: t.Any) -> t.Any:
    """A probe as Istio writes it: a number of zero, an empty text and an empty list are what is meant without them."""
    if isinstance(value, dict):
        return {key: without_zeros(item) for key, item in value.items() if item or isinstance(item, dict)}
    return [without_zeros(item) for item in value] if isinstance(value, list) else value
