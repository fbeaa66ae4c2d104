# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WorkloadGroup: what a VM is to the mesh. Pure. Private to the collection."""

from __future__ import annotations

import dataclasses
import typing as t

# In both places of the annotation that a WorkloadGroup has, from the weaker to the stronger one.
PROXY_CONFIG = "proxy.istio.io/config"
_CANONICAL_NAME = "service.istio.io/canonical-name"
_CANONICAL_REVISION = "service.istio.io/canonical-revision"


@dataclasses.dataclass(frozen=True)
class WorkloadGroup:
    name: str
    namespace: str
    # Name of the place, and YAML of a proxy's configuration there; a later one counts more.
    proxy_configs: t.Sequence[tuple[str, str]] = ()
    labels: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    service_account: str = "default"
    network: str = ""
    ports: t.Mapping[str, int] = dataclasses.field(default_factory=dict)
    probe: t.Mapping[str, t.Any] | None = None

    @classmethod
    def parse(cls, found: t.Mapping[str, t.Any]) -> WorkloadGroup:
        metadata, spec = found["metadata"], found.get("spec") or {}
        given, template = spec.get("metadata") or {}, spec.get("template") or {}
        annotated = {"metadata.annotations": metadata, "spec.metadata.annotations": given}
        configs = [(where, (part.get("annotations") or {}).get(PROXY_CONFIG)) for where, part in annotated.items()]
        return cls(
            name=str(metadata["name"]),
            namespace=str(metadata["namespace"]),
            proxy_configs=tuple((where, text) for where, text in configs if text is not None),
            labels={**(given.get("labels") or {}), **(template.get("labels") or {})},
            service_account=template.get("serviceAccount") or "default",
            network=template.get("network") or "",
            ports={name: int(port) for name, port in (template.get("ports") or {}).items()},
            probe=spec.get("probe"),
        )

    def __str__(self) -> str:
        return f"WorkloadGroup {self.namespace}/{self.name}"

    @property
    def canonical_name(self) -> str:
        return self._first((_CANONICAL_NAME, "app.kubernetes.io/name", "app"), self.name)

    @property
    def canonical_revision(self) -> str:
        return self._first((_CANONICAL_REVISION, "app.kubernetes.io/version", "version"), "latest")

    def _first(self, names: t.Sequence[str], otherwise: str) -> str:
        return next((self.labels[name] for name in names if name in self.labels), otherwise)

    def all_labels(self) -> dict[str, str]:
        """With those by which the mesh names the service."""
        return {
            **self.labels,
            _CANONICAL_NAME: self.canonical_name,
            _CANONICAL_REVISION: self.canonical_revision,
        }
