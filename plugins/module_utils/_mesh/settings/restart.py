# Copyright (c) 2026, mesh.expansion contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Deployment that reads the mesh settings at start. Pure. Private to the collection.

Its pods carry the fingerprint of the settings that they were started with. So a run that was cut between the settings
and the restart is completed by the next one, and settings that were in place already cause no restart.
"""

from __future__ import annotations

import typing as t

from ..._kube.rollout import unfinished
from .document import MeshConfigError

ANNOTATION = "mesh.expansion/mesh-settings"


class Restart(t.NamedTuple):
    """With which fingerprint the pods were started, with which they should be, and why they are not all up."""

    namespace: str
    name: str
    before: str
    after: str
    unfinished: str

    @property
    def label(self) -> str:
        return f"Deployment {self.namespace}/{self.name}"

    @property
    def needed(self) -> bool:
        return self.before != self.after

    def patch(self) -> dict[str, t.Any]:
        """Another annotation on its pods is what makes a Deployment start new ones."""
        return {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: self.after or None}}}}}

    def diff(self) -> dict[str, str]:
        header = f"{self.label} annotations of its pods"
        before, after = (f"{ANNOTATION}: {value}\n" if value else "" for value in (self.before, self.after))
        return {"before": before, "after": after, "before_header": header, "after_header": header}


def plan_restart(namespace: str, name: str, deployment: t.Mapping[str, t.Any] | None, fingerprint: str) -> Restart:
    if deployment is None:
        raise MeshConfigError(
            f"Deployment {namespace}/{name} does not exist, so nothing can take over the mesh settings. "
            "Set deployment (mesh_policy_pilot in the role mesh_policy) to the name of Pilot's Deployment."
        )
    template = deployment["spec"].get("template") or {}
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return Restart(namespace, name, annotations.get(ANNOTATION) or "", fingerprint, unfinished(deployment))
